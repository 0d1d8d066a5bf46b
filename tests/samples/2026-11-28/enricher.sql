BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0006');
CREATE TABLE artwork (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	kind TEXT NOT NULL, 
	content_id TEXT NOT NULL, 
	role TEXT NOT NULL, 
	picture_id TEXT NOT NULL, 
	source_url TEXT NOT NULL, 
	provider TEXT, 
	language TEXT, 
	score FLOAT, 
	width INTEGER, 
	height INTEGER, 
	pinned BOOLEAN NOT NULL, 
	checked_at DATETIME NOT NULL, 
	refresh_at DATETIME NOT NULL, 
	local_image_url TEXT, 
	local_thumbnail_url TEXT, 
	storage_path TEXT, 
	processed_at DATETIME, 
	file_size INTEGER, 
	CONSTRAINT uq_artwork_kind_content_id_role UNIQUE (kind, content_id, role)
);
INSERT INTO "artwork" VALUES(1,'movie','tmdb:1','poster','579f338c66fb7a7c8ae30c8db9dea112','http://pictures.example/a.png','tmdb','en',7.5,24,36,0,'2026-11-28 12:00:00.000000','2099-01-01 00:00:00.000000',NULL,NULL,'x','2026-11-28 12:00:00.000000',200);
INSERT INTO "artwork" VALUES(2,'movie','tmdb:2','poster','3ecab3a90665bd27572a3fb240b448f6','https://image.tmdb.org/t/p/original/b.jpg','tmdb',NULL,NULL,NULL,NULL,1,'2026-11-28 12:00:00.000000','2099-01-01 00:00:00.000000',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE cached_image_totals (
	source TEXT NOT NULL, 
	mime_type TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	failure_class TEXT NOT NULL, 
	cached_on TEXT NOT NULL, 
	entries INTEGER NOT NULL, 
	pictures INTEGER NOT NULL, 
	original_bytes BIGINT NOT NULL, 
	cached_bytes BIGINT NOT NULL, 
	cached_files BIGINT NOT NULL, 
	kept_bytes BIGINT NOT NULL, 
	kept_files BIGINT NOT NULL, 
	CONSTRAINT pk_cached_image_totals PRIMARY KEY (source, mime_type, kind, failure_class, cached_on)
)
 WITHOUT ROWID

;
INSERT INTO "cached_image_totals" VALUES('','','','gone','',1,0,0,8192,2,0,0);
INSERT INTO "cached_image_totals" VALUES('','image/png','','','2026-11-28',4,4,791,110592,30,32768,9);
INSERT INTO "cached_image_totals" VALUES('tmdb','image/jpeg','','','2026-11-28',1,1,738,32768,9,36864,10);
CREATE TABLE cached_images (
	picture_id TEXT NOT NULL, 
	image_url TEXT, 
	local_path TEXT, 
	revision TEXT, 
	mime_type TEXT, 
	file_size BIGINT, 
	width INTEGER, 
	height INTEGER, 
	source TEXT, 
	kind TEXT, 
	cached_at DATETIME, 
	last_accessed DATETIME NOT NULL, 
	fresh_until DATETIME, 
	failure_class TEXT, 
	retry_at DATETIME, 
	cached_bytes BIGINT NOT NULL, 
	cached_files INTEGER NOT NULL, 
	kept_bytes BIGINT NOT NULL, 
	kept_files INTEGER NOT NULL, 
	mark BIGINT NOT NULL, 
	evicting_since DATETIME, 
	CONSTRAINT pk_cached_images PRIMARY KEY (picture_id)
)
 WITHOUT ROWID

;
INSERT INTO "cached_images" VALUES('35d7e704b2f716294ec63f43ddefe00e','http://pictures.example/g.png','cache/35/d7/35d7e704b2f716294ec63f43ddefe00e/e1440d6d831aa7e2','e1440d6d831aa7e2','image/png',199,24,36,NULL,NULL,'2026-11-28 12:00:00.000000','2026-11-28 12:00:00.000000','2099-01-01 00:00:00.000000',NULL,NULL,28672,8,0,0,3591727200000000000,NULL);
INSERT INTO "cached_images" VALUES('3e377cf4e6ce6cdda2f71a31007bb072','upload:79ff36a530dda7b279316f8e87696978a9937f6d36407fc604418f0c19e58fce','keep/3e/37/3e377cf4e6ce6cdda2f71a31007bb072/79ff36a530dda7b2','79ff36a530dda7b2','image/png',199,24,36,NULL,NULL,'2026-11-28 12:00:00.000000','2026-11-28 12:00:00.000000','2099-01-01 00:00:00.000000',NULL,NULL,0,0,32768,9,3591727200000000000,NULL);
INSERT INTO "cached_images" VALUES('3ecab3a90665bd27572a3fb240b448f6','https://image.tmdb.org/t/p/original/b.jpg','keep/3e/ca/3ecab3a90665bd27572a3fb240b448f6/2c886b5c89c933fe','2c886b5c89c933fe','image/jpeg',738,24,36,'tmdb',NULL,'2026-11-28 12:00:00.000000','2026-11-28 12:00:00.000000','2099-01-01 00:00:00.000000',NULL,NULL,32768,9,36864,10,7183454400000000000,NULL);
INSERT INTO "cached_images" VALUES('422029d079b3a5c9d900597a3cb758d6',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-28 12:00:00.000000',NULL,'gone','2099-01-01 00:00:00.000000',8192,2,0,0,1795863600000000000,NULL);
INSERT INTO "cached_images" VALUES('579f338c66fb7a7c8ae30c8db9dea112','http://pictures.example/a.png','cache/57/9f/579f338c66fb7a7c8ae30c8db9dea112/ec295dbfd8e3d2b3','ec295dbfd8e3d2b3','image/png',199,24,36,NULL,NULL,'2026-11-28 12:00:00.000000','2026-11-28 12:00:00.000000','2099-01-01 00:00:00.000000',NULL,NULL,53248,14,0,0,3591727200000000000,NULL);
INSERT INTO "cached_images" VALUES('7afc064017979954b385f2c8bee4249d','http://pictures.example/i.png','cache/7a/fc/7afc064017979954b385f2c8bee4249d/64e8f872b71a6ab1','64e8f872b71a6ab1','image/png',194,24,36,NULL,NULL,'2026-11-28 12:00:00.000000','2026-11-28 12:00:00.000000','2099-01-01 00:00:00.000000',NULL,NULL,28672,8,0,0,3591727200000000000,NULL);
CREATE TABLE dead_letters (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	letter_id TEXT NOT NULL, 
	lane TEXT NOT NULL, 
	type TEXT, 
	failure_class TEXT, 
	reason TEXT NOT NULL, 
	about TEXT, 
	trace_id TEXT NOT NULL, 
	died_at DATETIME NOT NULL, 
	deaths INTEGER NOT NULL, 
	history JSON NOT NULL, 
	body TEXT NOT NULL, 
	redriving_since DATETIME, 
	CONSTRAINT uq_dead_letters_letter_id UNIQUE (letter_id)
);
INSERT INTO "dead_letters" VALUES(1,'dead-0123','pictures.later','PurgePicture','ours','RuntimeError: no','579f338c66fb7a7c8ae30c8db9dea112','t','2026-11-28 12:00:00.000000',2,'[{"at": "2026-11-28T12:00:00+00:00", "reason": "RuntimeError: no"}]','{"id":"1bc49948bdd84aa7962e130b3c3c0b9a","type":"PurgePicture","version":1,"occurred_at":"2026-11-28T12:00:00Z","trace_id":"t","attempt":1,"deferred_since":null,"history":[],"payload":{"picture":"ffffffffffffffffffffffffffffffff"}}',NULL);
CREATE TABLE evicted_images (
	picture_id TEXT NOT NULL, 
	image_url TEXT NOT NULL, 
	gone_at DATETIME NOT NULL, 
	CONSTRAINT pk_evicted_images PRIMARY KEY (picture_id)
)
 WITHOUT ROWID

;
INSERT INTO "evicted_images" VALUES('ef74fc8315f496c7782cfc82536faa7a','https://image.tmdb.org/t/p/original/d.jpg','2099-01-01 00:00:00.000000');
CREATE TABLE media_items (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	full_path TEXT, 
	title TEXT NOT NULL, 
	media_type TEXT NOT NULL, 
	year INTEGER, 
	imdb_id TEXT, 
	tmdb_id INTEGER, 
	tvdb_id INTEGER, 
	poster_url TEXT, 
	poster_cached_at DATETIME, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	list_source TEXT, 
	status TEXT, 
	overseerr_id INTEGER, 
	last_synced DATETIME, 
	plain_title TEXT NOT NULL, 
	title_key TEXT NOT NULL, 
	first_of_title BOOLEAN NOT NULL, 
	first_in_list BOOLEAN NOT NULL, 
	scan_state TEXT, 
	scan_device BIGINT, poster_picture TEXT, 
	CONSTRAINT uq_media_items_full_path UNIQUE (full_path), 
	CONSTRAINT ck_media_items_media_type CHECK (media_type IN ('movie', 'tv'))
);
INSERT INTO "media_items" VALUES(1,'/films/First (1999).mkv','First','movie',1999,'tt0000001',1,NULL,'http://pictures.example/a.png','2026-11-28 12:00:00.000000','2026-11-28 12:00:00.000000','2026-11-28 12:00:00.000000',NULL,NULL,NULL,NULL,'first','1',1,1,'1:2:3',5,'579f338c66fb7a7c8ae30c8db9dea112');
INSERT INTO "media_items" VALUES(2,NULL,'Second','tv',2008,NULL,NULL,2,NULL,NULL,'2026-11-28 12:00:00.000000','2026-11-28 12:00:00.000000','watchlist','wanted',7,'2026-11-28 12:00:00.000000','second','2',1,1,NULL,NULL,NULL);
CREATE TABLE provider_budgets (
	credential TEXT NOT NULL, 
	spending TEXT NOT NULL, 
	kept_at DATETIME NOT NULL, 
	CONSTRAINT pk_provider_budgets PRIMARY KEY (credential)
);
INSERT INTO "provider_budgets" VALUES('tmdb:0123','{"windows": []}','2026-11-28 12:00:00.000000');
CREATE TABLE task_items (
	id INTEGER NOT NULL, 
	task_id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	outcome TEXT NOT NULL, 
	failure_class TEXT, 
	reason TEXT, 
	retry_at DATETIME, 
	bytes BIGINT, 
	CONSTRAINT pk_task_items PRIMARY KEY (id)
);
INSERT INTO "task_items" VALUES(1,1,'/films/First (1999).mkv','added',NULL,NULL,NULL,NULL);
INSERT INTO "task_items" VALUES(2,1,'/films/broken.mkv','failed','unsound','It cannot be read.','2099-01-01 00:00:00.000000',123);
CREATE TABLE tasks (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	kind TEXT NOT NULL, 
	arguments JSON NOT NULL, 
	state TEXT NOT NULL, 
	cancelling BOOLEAN NOT NULL, 
	starts INTEGER NOT NULL, 
	done INTEGER NOT NULL, 
	total INTEGER, 
	counts JSON NOT NULL, 
	errors JSON NOT NULL, 
	reason TEXT, 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	finished_at DATETIME, 
	heartbeat_at DATETIME, 
	claimed_by TEXT, 
	CONSTRAINT ck_tasks_state CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled'))
);
INSERT INTO "tasks" VALUES(1,'scan','{"root": null}','done',0,1,2,2,'{"added": 2}','[]',NULL,'2026-11-28 12:00:00.000000','2026-11-28 12:00:00.000000','2026-11-28 12:00:00.000000','2026-11-28 12:00:00.000000','host:1');
INSERT INTO "tasks" VALUES(2,'cleanup','{"dry_run": true}','failed',0,3,0,NULL,'{}','[]','It was started 3 times and never ended.','2026-11-28 12:00:00.000000','2026-11-28 12:00:00.000000','2026-11-28 12:00:00.000000','2026-11-28 12:00:00.000000',NULL);
CREATE TABLE tmdb_cache (
	cache_key TEXT NOT NULL, 
	cache_value TEXT, 
	expires_at DATETIME NOT NULL, 
	fetched_at DATETIME NOT NULL, 
	CONSTRAINT pk_tmdb_cache PRIMARY KEY (cache_key)
);
INSERT INTO "tmdb_cache" VALUES('movie/1','{"id": 1, "title": "First"}','2099-01-01 00:00:00.000000','2026-11-28 12:00:00.000000');
INSERT INTO "tmdb_cache" VALUES('movie/404',NULL,'2099-01-01 00:00:00.000000','2026-11-28 12:00:00.000000');
CREATE INDEX ix_media_items_title_key ON media_items (title_key);
CREATE INDEX ix_media_items_imdb_id_media_type ON media_items (imdb_id, media_type);
CREATE INDEX ix_media_items_tmdb_id_media_type ON media_items (tmdb_id, media_type);
CREATE INDEX ix_media_items_tvdb_id_media_type ON media_items (tvdb_id, media_type);
CREATE INDEX ix_media_items_plain_title_year_media_type ON media_items (plain_title, year, media_type);
CREATE INDEX ix_media_items_first_of_title_id ON media_items (first_of_title, id);
CREATE INDEX ix_media_items_first_of_title_media_type_id ON media_items (first_of_title, media_type, id);
CREATE INDEX ix_media_items_first_in_list_list_source_id ON media_items (first_in_list, list_source, id);
CREATE INDEX ix_media_items_first_in_list_list_source_media_type_id ON media_items (first_in_list, list_source, media_type, id);
CREATE INDEX ix_tasks_state_id ON tasks (state, id);
CREATE INDEX ix_tmdb_cache_expires_at ON tmdb_cache (expires_at);
CREATE INDEX ix_artwork_picture_id ON artwork (picture_id);
CREATE INDEX ix_artwork_pinned_refresh_at ON artwork (pinned, refresh_at);
CREATE INDEX ix_media_items_poster_picture ON media_items (poster_picture);
CREATE INDEX ix_dead_letters_lane_failure_class ON dead_letters (lane, failure_class);
CREATE INDEX ix_task_items_task_id_outcome_id ON task_items (task_id, outcome, id);
CREATE INDEX ix_cached_images_last_accessed ON cached_images (last_accessed);
CREATE INDEX ix_cached_images_evicting ON cached_images (evicting_since) WHERE evicting_since IS NOT NULL;
CREATE INDEX ix_cached_images_fresh ON cached_images (fresh_until) WHERE fresh_until IS NOT NULL;
CREATE INDEX ix_cached_images_failed ON cached_images (retry_at) WHERE revision IS NULL;
CREATE INDEX ix_evicted_images_gone_at ON evicted_images (gone_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('media_items',2);
INSERT INTO "sqlite_sequence" VALUES('tasks',2);
INSERT INTO "sqlite_sequence" VALUES('dead_letters',1);
INSERT INTO "sqlite_sequence" VALUES('artwork',2);
COMMIT;
PRAGMA user_version=0;
