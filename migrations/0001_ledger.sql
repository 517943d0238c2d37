-- The ledger and what it keeps. Money is bigint nano-USD (1 USD = 10^9), times are timestamptz.
-- Ids are uuids made of 128 bits of SHA-256 (server/ledger/id.h); keys begin with them, so that plans made
-- while the tables are small stay index scans. There are no foreign keys: the ledger's own rules hold
-- the tables together, and `bursar verify` checks them.

-- What may never see another: a company, or an environment.
CREATE TABLE tenant (
  tenant_id text PRIMARY KEY,
  display_name text NOT NULL DEFAULT '',
  budget_epoch bigint NOT NULL DEFAULT 1,  -- +1 with every change of a budget or a setting that decides
  default_max_output_tokens bigint NOT NULL DEFAULT 4096,
  charge_on_expiry boolean NOT NULL DEFAULT false,
  create_time timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE api_key (
  key_id text PRIMARY KEY,
  tenant_id text NOT NULL,
  display_name text NOT NULL DEFAULT '',
  role smallint NOT NULL,          -- bursar.v1.Role
  secret_sha256 bytea NOT NULL,    -- the secret itself is nowhere
  create_time timestamptz NOT NULL DEFAULT now(),
  expire_time timestamptz,
  revoke_time timestamptz
);

CREATE TABLE budget (
  uid uuid PRIMARY KEY,            -- of this very budget; its counters' ids are made from it
  tenant_id text NOT NULL,
  budget_id text NOT NULL,
  display_name text NOT NULL,
  selector jsonb NOT NULL,         -- [{"dimension", "values", "exclude"}]
  group_by jsonb NOT NULL,         -- ["user"]
  require_group boolean NOT NULL,
  unit smallint NOT NULL,          -- bursar.v1.Unit
  limit_amount bigint NOT NULL,    -- in the unit: nano-USD, tokens or calls
  window_kind smallint NOT NULL,   -- bursar.v1.Window.Kind
  time_zone text NOT NULL,
  mode smallint NOT NULL,          -- bursar.v1.EnforcementMode
  overrides jsonb NOT NULL,        -- [{"group", "limit", "start", "expire", "reason"}], times in microseconds
  threshold_percents jsonb NOT NULL,
  frozen boolean NOT NULL,
  expire_time timestamptz,
  etag text NOT NULL,
  create_time timestamptz NOT NULL,
  update_time timestamptz NOT NULL,
  delete_time timestamptz          -- a deleted budget keeps its counters and their history
);
CREATE UNIQUE INDEX budget_by_id ON budget (tenant_id, budget_id) WHERE delete_time IS NULL;

-- What one budget has counted for one group in one window, in the budget's unit.
CREATE TABLE counter (
  id uuid,
  tenant_id text,
  budget_uid uuid NOT NULL,
  group_values text NOT NULL,      -- JSON: {"user": "carol"}
  window_start timestamptz NOT NULL,
  window_end timestamptz NOT NULL,
  spent bigint NOT NULL,           -- = sum of usage_record.charged for this counter
  reserved bigint NOT NULL,        -- = sum of reservation.hold_amounts for this counter
  notified_percent smallint NOT NULL DEFAULT 0,  -- the highest threshold that an event told of; 0 = none
  notified_limit bigint NOT NULL DEFAULT 0,  -- of which limit; another is told of anew
  version bigint NOT NULL,         -- +1 with each transaction that changes it
  PRIMARY KEY (id, tenant_id)
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.5);

-- A budget's counters of the window that is now. Columns that never change, so that updates stay HOT;
-- and without the tenant, so that no plan of a young table looks counters up by it.
CREATE INDEX counter_by_window ON counter (budget_uid, window_end);

CREATE TABLE reservation (
  id uuid,
  tenant_id text,
  request_id text NOT NULL,
  state smallint NOT NULL,         -- bursar.v1.Reservation.State
  subject text NOT NULL,           -- JSON of its fields that are not empty
  model text NOT NULL,             -- likewise
  event_type text NOT NULL,
  reserved_nanousd bigint NOT NULL,
  reserved_tokens bigint NOT NULL,
  observed_nanousd bigint NOT NULL,
  observed_tokens bigint NOT NULL,
  max_output_tokens bigint NOT NULL,
  price_version text NOT NULL,
  priced_as text NOT NULL,
  create_time timestamptz NOT NULL,
  expire_time timestamptz NOT NULL,
  end_time timestamptz,
  hold_counters uuid[] NOT NULL,   -- the counters it is pinned to, ascending
  hold_units smallint[] NOT NULL,  -- of each: bursar.v1.Unit
  hold_amounts bigint[] NOT NULL,  -- of each: what is held there now; all 0 once it has ended
  hold_expiry_charges bigint[] NOT NULL,  -- of each: what its expiry charged, until a late settlement
  expiry_nanousd bigint NOT NULL,  -- the cost that its expiry charged, likewise
  call_counted boolean NOT NULL DEFAULT false,  -- by a record that kept it
  version bigint NOT NULL,         -- +1 with each transaction that changes it
  fingerprint uuid NOT NULL,
  PRIMARY KEY (id, tenant_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX reservation_to_expire ON reservation (expire_time, tenant_id) WHERE state = 1;

-- Which usage ids are known: one row for each record, for as long as the ledger's horizon.
CREATE TABLE usage_id (
  id uuid,
  tenant_id text,
  receive_time timestamptz NOT NULL,  -- where the record is
  fingerprint uuid NOT NULL,
  PRIMARY KEY (id, tenant_id)
);

-- What was used. Rows are never changed; corrections are rows of their own.
CREATE TABLE usage_record (
  receive_time timestamptz NOT NULL,
  id uuid NOT NULL,
  tenant_id text NOT NULL,
  usage_id text NOT NULL,
  reservation_id text,
  charge_time timestamptz NOT NULL,   -- when it counts: for windows, prices and queries alike
  occur_time timestamptz,
  project text, team text, user_name text, agent text, workflow text, tool text,
  run text, parent_run text, root_run text,
  labels jsonb,
  provider text, model text, service_tier text, region text, requested_model text, account text,
  event_type text NOT NULL,
  step text,
  outcome smallint NOT NULL,          -- bursar.v1.Outcome
  calls smallint NOT NULL,            -- what it counts in budgets of calls: 1; 0 if not executed; -1 corrects
  attempt integer NOT NULL,
  error_type text, error_category smallint, error_severity smallint,
  guardrails jsonb,                   -- [{"name", "action", "stage"}]
  cost_nanousd bigint NOT NULL,
  cost_basis smallint NOT NULL,       -- bursar.v1.CostBasis
  cache_savings_nanousd bigint NOT NULL DEFAULT 0,  -- what cache_read_tokens would have cost more, uncached
  price_version text NOT NULL,
  priced_as text,
  unpriced smallint NOT NULL,         -- 1 if it has no price; -1 if it is the adjustment that gives one
  uncached_input_tokens bigint NOT NULL,
  cache_read_tokens bigint NOT NULL,
  cache_write_5m_tokens bigint NOT NULL,
  cache_write_1h_tokens bigint NOT NULL,
  visible_output_tokens bigint NOT NULL,
  reasoning_tokens bigint NOT NULL,
  input_audio_tokens bigint NOT NULL,
  output_audio_tokens bigint NOT NULL,
  input_image_tokens bigint NOT NULL,
  output_image_tokens bigint NOT NULL,
  other_tokens jsonb,
  billed_units jsonb,
  latency_us bigint,
  first_token_us bigint,
  trace_id text, span_id text, parent_span_id text,
  provider_request_id text,
  charged_counters uuid[] NOT NULL,   -- which counters it charged,
  charged_amounts bigint[] NOT NULL,  -- and how much, in the unit of each
  released_nanousd bigint NOT NULL,
  overrun_nanousd bigint NOT NULL,
  late boolean NOT NULL,
  adjusts uuid,                       -- the record that this one corrects
  adjust_reason text,
  PRIMARY KEY (receive_time, id, tenant_id)
) PARTITION BY RANGE (receive_time);
CREATE INDEX usage_record_by_charge_time ON usage_record (tenant_id, charge_time);
CREATE INDEX usage_record_adjusted ON usage_record (adjusts, tenant_id) WHERE adjusts IS NOT NULL;
CREATE INDEX usage_record_by_trace ON usage_record (trace_id, tenant_id) WHERE trace_id IS NOT NULL;
-- Equal keys are kept once, with a list of places: few bytes for each record of a run.
CREATE INDEX usage_record_by_run ON usage_record (run, tenant_id) WHERE run IS NOT NULL;
CREATE INDEX usage_record_of_sub_runs ON usage_record (root_run, tenant_id) WHERE root_run IS DISTINCT FROM run;

-- Makes the partition of the month that holds a time, if it is not there.
CREATE FUNCTION make_usage_partition(at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  first timestamptz := date_trunc('month', at, 'UTC');
  next timestamptz := date_trunc('month', first + interval '40 days', 'UTC');
  name text := 'usage_record_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('bursar make_usage_partition'));
  IF to_regclass(name) IS NULL THEN
    EXECUTE format('CREATE TABLE %I (LIKE usage_record INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    EXECUTE format('ALTER TABLE usage_record ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   name, first, next);
  END IF;
END $$;

SELECT make_usage_partition(now()), make_usage_partition(now() + interval '1 month');

-- Records that nobody could price yet: what a reprice looks for.
CREATE INDEX usage_record_unpriced ON usage_record (tenant_id, charge_time) WHERE unpriced = 1;

-- Every version of every price document, in the project's own format. Rows are never changed.
CREATE TABLE price_book (
  tenant_id text,                  -- '' = the operator's, for every tenant
  version bigint,                  -- 1, 2, 3, ... of each tenant
  document text NOT NULL,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, version)
);

-- What an operator wants to be told: apart from errors, written with what it tells of. Denials write
-- nothing each: a row stands for `count` of them and shows one.
CREATE TABLE cost_event (
  tenant_id text,
  event_time timestamptz,
  id uuid,                         -- of what it tells, so that a transaction that is run again adds none
  kind smallint NOT NULL,          -- 1 threshold crossed, 2 denied, 3 overrun, 4 expired, 5 late
  counter_id uuid,                 -- NULL, and so down to window_end: no budget had a say
  budget_id text,
  display_name text,
  group_values text,               -- JSON: {"user": "carol"}
  unit smallint,                   -- bursar.v1.Unit
  mode smallint,                   -- bursar.v1.EnforcementMode
  limit_amount bigint,             -- this and the next two as they stood then
  spent bigint,
  reserved bigint,
  window_start timestamptz,
  window_end timestamptz,
  subject text NOT NULL,           -- JSON of its fields that are not empty
  model text NOT NULL,             -- likewise
  request_id text NOT NULL,        -- of the check or reservation; empty: there is none
  usage_id text NOT NULL,          -- of the record; empty: there is none
  reason text NOT NULL,            -- of a denial
  message text NOT NULL,           -- one sentence for people
  amount bigint NOT NULL,          -- in the unit, else nano-USD: denied, overrun, expired, recorded late
  threshold_percent smallint NOT NULL,  -- 0: no threshold was crossed
  count bigint NOT NULL,           -- of the denials it stands for; else 1
  PRIMARY KEY (tenant_id, event_time, id)
);

-- Ends the transaction unless a write did as many rows as it should: somebody was faster.
CREATE FUNCTION expect_rows(got bigint, expected bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF got <> expected THEN
    RAISE EXCEPTION 'wrote % of % rows', got, expected USING ERRCODE = 'BU001';
  END IF;
END $$;

-- Ends the transaction if the clock has left a window that it charges.
CREATE FUNCTION expect_before(window_end timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF clock_timestamp() >= window_end THEN
    RAISE EXCEPTION 'a window ended' USING ERRCODE = 'BU002';
  END IF;
END $$;

-- Ends the transaction unless the budgets are those it went by, and the clock is where it was taken to be.
CREATE FUNCTION expect_epoch_and_clock(of_tenant text, epoch bigint, earliest timestamptz,
                                       latest timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM tenant WHERE tenant_id = of_tenant AND budget_epoch = epoch) THEN
    RAISE EXCEPTION 'the budgets changed' USING ERRCODE = 'BU003';
  END IF;
  IF clock_timestamp() < earliest OR clock_timestamp() >= latest THEN
    RAISE EXCEPTION 'a window ended, or the clock was misjudged' USING ERRCODE = 'BU002';
  END IF;
END $$;

-- Whoever gives no tenant of their own is this one.
INSERT INTO tenant (tenant_id, display_name) VALUES ('default', 'Default');

-- What a new tenant starts with: $0.50 for each run, sub-agents included. An ordinary budget.
INSERT INTO budget (uid, tenant_id, budget_id, display_name, selector, group_by, require_group, unit,
                    limit_amount, window_kind, time_zone, mode, overrides, threshold_percents, frozen,
                    etag, create_time, update_time)
VALUES (gen_random_uuid(), 'default', 'run-cap', 'Each run', '[]', '["root_run"]', false, 1,
        500000000, 1, '', 1, '[]', '[75, 90, 100]', false,
        gen_random_uuid()::text, now(), now());
