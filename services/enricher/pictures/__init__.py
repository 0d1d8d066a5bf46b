"""Pictures as pages show them: their URLs with us, what is known of them, and that they are on their way."""
