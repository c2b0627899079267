BEGIN TRANSACTION;
CREATE TABLE estimate_buckets (
	id TEXT NOT NULL, 
	source_id TEXT NOT NULL, 
	price_band_lt_500 INTEGER NOT NULL, 
	price_band_500_1500 INTEGER NOT NULL, 
	price_band_1500_5000 INTEGER NOT NULL, 
	price_band_5000_plus INTEGER NOT NULL, 
	latency_band_0_2 INTEGER NOT NULL, 
	latency_band_3_7 INTEGER NOT NULL, 
	latency_band_8_21 INTEGER NOT NULL, 
	latency_band_22_plus INTEGER NOT NULL, 
	weekly_volume TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (source_id), 
	FOREIGN KEY(source_id) REFERENCES sources (id)
);
INSERT INTO "estimate_buckets" VALUES('cc371f36-78af-4215-bf0c-faa2ff0cbed4','50111111-2222-4333-8444-555555555555',10,12,8,5,12,12,8,3,'[{"week": "2026-W01", "count": 15}, {"week": "2026-W02", "count": 20}]','2026-01-05T08:00:00Z');
INSERT INTO "estimate_buckets" VALUES('75e1bbe8-0984-4152-be0e-2932454694a3','51111111-2222-4333-8444-555555555555',10,12,8,5,12,12,8,3,'[{"week": "2026-W01", "count": 15}, {"week": "2026-W02", "count": 20}]','2026-01-05T08:00:00Z');
INSERT INTO "estimate_buckets" VALUES('cd95934b-c1fd-4a1b-bddb-280281daed6c','52111111-2222-4333-8444-555555555555',10,12,8,5,12,12,8,3,'[{"week": "2026-W01", "count": 15}, {"week": "2026-W02", "count": 20}]','2026-01-05T08:00:00Z');
INSERT INTO "estimate_buckets" VALUES('b3ef8518-6bae-4233-8f1d-b19ed8b10e0e','53111111-2222-4333-8444-555555555555',10,12,8,5,12,12,8,3,'[{"week": "2026-W01", "count": 15}, {"week": "2026-W02", "count": 20}]','2026-01-05T08:00:00Z');
INSERT INTO "estimate_buckets" VALUES('11748c60-2d74-4e81-8c39-6b56d4b17874','54111111-2222-4333-8444-555555555555',10,12,8,5,12,12,8,3,'[{"week": "2026-W01", "count": 15}, {"week": "2026-W02", "count": 20}]','2026-01-05T08:00:00Z');
INSERT INTO "estimate_buckets" VALUES('c78eeabe-7a34-447c-925e-baedb36c4d28','55111111-2222-4333-8444-555555555555',10,12,8,5,12,12,8,3,'[{"week": "2026-W01", "count": 15}, {"week": "2026-W02", "count": 20}]','2026-01-05T08:00:00Z');
INSERT INTO "estimate_buckets" VALUES('3e0fc2b5-bdbb-46fe-85e5-5fe5c4bc4d92','56111111-2222-4333-8444-555555555555',10,12,8,5,12,12,8,3,'[{"week": "2026-W01", "count": 15}, {"week": "2026-W02", "count": 20}]','2026-01-05T08:00:00Z');
INSERT INTO "estimate_buckets" VALUES('29d32cc3-7f35-456d-ab5c-cafc283a7b59','57111111-2222-4333-8444-555555555555',10,12,8,5,12,12,8,3,'[{"week": "2026-W01", "count": 15}, {"week": "2026-W02", "count": 20}]','2026-01-05T08:00:00Z');
INSERT INTO "estimate_buckets" VALUES('e764c8d1-c71c-42e0-ad1a-75c10de90765','58111111-2222-4333-8444-555555555555',10,12,8,5,12,12,8,3,'[{"week": "2026-W01", "count": 15}, {"week": "2026-W02", "count": 20}]','2026-01-05T08:00:00Z');
CREATE TABLE estimates_normalized (
	id TEXT NOT NULL, 
	estimate_id TEXT NOT NULL, 
	source_id TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	closed_at TEXT NOT NULL, 
	amount NUMERIC(12, 2) NOT NULL CHECK (amount >= 0), 
	status TEXT NOT NULL CHECK (status in ('closed', 'accepted')), 
	job_type TEXT, 
	PRIMARY KEY (id), 
	UNIQUE (source_id, estimate_id), 
	FOREIGN KEY(source_id) REFERENCES sources (id)
);
CREATE TABLE snapshots (
	id TEXT NOT NULL, 
	source_id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	estimate_count INTEGER NOT NULL CHECK (estimate_count >= 25), 
	confidence_level TEXT NOT NULL CHECK (confidence_level in ('low', 'medium', 'high')), 
	result TEXT NOT NULL, 
	generated_at TEXT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(source_id) REFERENCES sources (id)
);
INSERT INTO "snapshots" VALUES('362b53bf-20a5-4d93-8a3f-7cb288539a6e','50111111-2222-4333-8444-555555555555','aaaaaaaa-1111-4222-8333-444444444444',35,'low','{"meta":{"snapshot_id":"362b53bf-20a5-4d93-8a3f-7cb288539a6e","source_id":"50111111-2222-4333-8444-555555555555","generated_at":"2026-11-28T10:54:37Z","estimate_count":35,"confidence_level":"low"},"demand":{"weekly_volume":[{"week":"2026-W01","count":15},{"week":"2026-W02","count":20}],"price_distribution":[{"band":"<500","count":10},{"band":"500-1500","count":12},{"band":"1500-5000","count":8},{"band":"5000+","count":5}]},"decision_latency":{"distribution":[{"band":"0-2d","count":12},{"band":"3-7d","count":12},{"band":"8-21d","count":8},{"band":"22+d","count":3}]}}','2026-11-28T10:54:37Z');
CREATE TABLE sources (
	id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	source_type TEXT NOT NULL, 
	source_name TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	status TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "sources" VALUES('50111111-2222-4333-8444-555555555555','aaaaaaaa-1111-4222-8333-444444444444','csv','done','2026-01-05T08:00:00Z','snapshot_generated');
INSERT INTO "sources" VALUES('51111111-2222-4333-8444-555555555555','aaaaaaaa-1111-4222-8333-444444444444','csv','queued','2026-01-05T08:00:00Z','bucketed');
INSERT INTO "sources" VALUES('52111111-2222-4333-8444-555555555555','aaaaaaaa-1111-4222-8333-444444444444','csv','calling','2026-01-05T08:00:00Z','bucketed');
INSERT INTO "sources" VALUES('53111111-2222-4333-8444-555555555555','aaaaaaaa-1111-4222-8333-444444444444','csv','answered','2026-01-05T08:00:00Z','bucketed');
INSERT INTO "sources" VALUES('54111111-2222-4333-8444-555555555555','aaaaaaaa-1111-4222-8333-444444444444','csv','in_doubt','2026-01-05T08:00:00Z','bucketed');
INSERT INTO "sources" VALUES('55111111-2222-4333-8444-555555555555','aaaaaaaa-1111-4222-8333-444444444444','csv','failed','2026-01-05T08:00:00Z','bucketed');
INSERT INTO "sources" VALUES('56111111-2222-4333-8444-555555555555','aaaaaaaa-1111-4222-8333-444444444444','csv','cancelled','2026-01-05T08:00:00Z','bucketed');
INSERT INTO "sources" VALUES('57111111-2222-4333-8444-555555555555','aaaaaaaa-1111-4222-8333-444444444444','csv','batch-1','2026-01-05T08:00:00Z','bucketed');
INSERT INTO "sources" VALUES('58111111-2222-4333-8444-555555555555','aaaaaaaa-1111-4222-8333-444444444444','csv','batch-2','2026-01-05T08:00:00Z','bucketed');
CREATE INDEX sources_by_name ON sources (user_id, source_name);
CREATE INDEX snapshots_by_source ON snapshots (source_id, generated_at);
CREATE INDEX snapshots_by_user_source ON snapshots (user_id, source_id, generated_at, id);
CREATE INDEX snapshots_by_user ON snapshots (user_id, generated_at, id);
COMMIT;
