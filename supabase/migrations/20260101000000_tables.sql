-- The product's four tables, for a project that lacks them: paste this into the SQL editor of a hosted
-- project, or let `make supabase` apply it to a local one. Nothing is dropped or changed: where one of the
-- tables exists already, it stops with an error and leaves everything as it was.

begin;

-- One user's set of estimates. source_type and status are free text: values come and go with the product.
create table public.sources (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null,
  source_type text not null,
  source_name text not null,
  created_at timestamptz not null default now(),
  status text not null default 'pending'
);

-- Raw rows. They are counted, never read by the agent.
create table public.estimates_normalized (
  id uuid primary key default gen_random_uuid(),
  estimate_id text not null,
  source_id uuid not null references public.sources (id) on delete cascade,
  created_at timestamptz not null,
  closed_at timestamptz not null,
  amount numeric(12, 2) not null check (amount >= 0),
  status text not null,
  job_type text,
  unique (source_id, estimate_id)
);

-- A source's aggregates: all that a snapshot is made from.
create table public.estimate_buckets (
  id uuid primary key default gen_random_uuid(),
  source_id uuid not null unique references public.sources (id) on delete cascade,
  price_band_lt_500 integer not null default 0,
  price_band_500_1500 integer not null default 0,
  price_band_1500_5000 integer not null default 0,
  price_band_5000_plus integer not null default 0,
  latency_band_0_2 integer not null default 0,
  latency_band_3_7 integer not null default 0,
  latency_band_8_21 integer not null default 0,
  latency_band_22_plus integer not null default 0,
  weekly_volume jsonb not null default '[]'::jsonb,
  created_at timestamptz not null default now()
);

-- Results. A source may have many.
create table public.snapshots (
  id uuid primary key default gen_random_uuid(),
  source_id uuid not null references public.sources (id) on delete cascade,
  user_id uuid not null,
  estimate_count integer not null check (estimate_count >= 25),
  confidence_level text not null check (confidence_level in ('low', 'medium', 'high')),
  result jsonb not null,
  generated_at timestamptz not null default now()
);

-- What the pages ask for: a user's sources by name, a source's latest snapshot, a count of its estimates.
-- The unique constraint on (source_id, estimate_id) serves the count, the one on source_id the buckets.
create index sources_user_id_source_name on public.sources (user_id, source_name);
create index snapshots_source_id_generated_at on public.snapshots (source_id, generated_at desc);
create index snapshots_user_id_generated_at on public.snapshots (user_id, generated_at desc);

-- Row level security: a signed-in user sees and writes what is theirs, anybody else nothing. The secret key
-- bypasses it. auth.uid() stands in a subselect so that it is evaluated once a statement, not once a row.
alter table public.sources enable row level security;
alter table public.estimates_normalized enable row level security;
alter table public.estimate_buckets enable row level security;
alter table public.snapshots enable row level security;

create policy "own sources" on public.sources
  for all to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));

create policy "estimates of own sources" on public.estimates_normalized
  for all to authenticated
  using (source_id in (select id from public.sources where user_id = (select auth.uid())))
  with check (source_id in (select id from public.sources where user_id = (select auth.uid())));

create policy "buckets of own sources" on public.estimate_buckets
  for all to authenticated
  using (source_id in (select id from public.sources where user_id = (select auth.uid())))
  with check (source_id in (select id from public.sources where user_id = (select auth.uid())));

-- A snapshot names its user itself.
create policy "own snapshots" on public.snapshots
  for all to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));

-- Tables made in the dashboard are granted to the API's roles by default, those of a script not always.
grant select, insert, update, delete
  on public.sources, public.estimates_normalized, public.estimate_buckets, public.snapshots
  to authenticated, service_role;

commit;
