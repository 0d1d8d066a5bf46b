"""The finder: who has what, who may be asked, and which picture is chosen."""
