-- History: sums of usage records by hour, day and month, so that questions need not read the records.

-- Batches of records that the rollups do not have yet: written in the transaction that writes the records,
-- taken away in the transaction that adds them to the rollups. A question adds both.
CREATE TABLE unmerged_batch (
  tenant_id text,
  receive_time timestamptz,        -- that of every record of the batch, and of no other record of the tenant
  records integer NOT NULL,
  PRIMARY KEY (tenant_id, receive_time)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

-- The bucket of a latency in the histograms: 0 to 63 us each their own, then buckets whose bounds grow by 1.04.
-- The harmonic mean of its bounds is within (1.04 - 1) / (1.04 + 1) = 1.96 % of every value in a bucket (C. Masson,
-- J. E. Rim, H. K. Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees",
-- PVLDB 12, 2019).
CREATE FUNCTION latency_bucket(latency_us bigint) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN latency_us < 64 THEN greatest(latency_us, 0)::integer
         ELSE 64 + floor(ln(latency_us::float8 / 64) / ln(1.04::float8))::integer END
$$;

-- A histogram is text, "bucket:count bucket:count ..."; ":1" is left out. To add two is to write one behind
-- the other; this makes each bucket appear once again.
CREATE FUNCTION compact_latencies(latencies text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT string_agg(CASE WHEN n = 1 THEN bucket ELSE bucket || ':' || n END, ' ' ORDER BY bucket::integer)
  FROM (SELECT split_part(entry, ':', 1) AS bucket, sum(coalesce(nullif(split_part(entry, ':', 2), '')::bigint, 1)) AS n
        FROM string_to_table(latencies, ' ') AS entry GROUP BY 1) counted
$$;

-- A record as it counts in sums: the one place that says what a failed, retried or recovered call is. An
-- adjustment has the dimensions of its record and changes its cost and tokens; the call and all that happened
-- in it count once.
CREATE VIEW counted_usage WITH (security_invoker = true) AS
SELECT tenant_id, receive_time, charge_time, id, labels, xmin AS written_by,
  project, team, user_name, agent, workflow, tool, step, run, parent_run, root_run,
  provider, model, service_tier, region, account, event_type, outcome, cost_basis,
  error_type, error_category, error_severity, guardrails->0->>'name' AS guardrail,
  1::bigint AS records,
  calls::bigint AS calls,
  CASE WHEN outcome = 1 AND adjusts IS NULL THEN 1 ELSE 0 END::bigint AS succeeded_calls,
  CASE WHEN outcome = 2 AND adjusts IS NULL THEN 1 ELSE 0 END::bigint AS failed_calls,
  CASE WHEN attempt > 1 AND adjusts IS NULL THEN 1 ELSE 0 END::bigint AS retried_calls,
  CASE WHEN attempt > 1 AND outcome = 1 AND adjusts IS NULL THEN 1 ELSE 0 END::bigint AS recovered_calls,
  CASE WHEN adjusts IS NULL THEN coalesce(jsonb_array_length(guardrails), 0) ELSE 0 END::bigint AS guardrail_hits,
  unpriced::bigint AS unpriced_calls,
  cost_nanousd,
  CASE WHEN cost_basis <> 1 THEN cost_nanousd ELSE 0 END AS estimated_nanousd,
  cache_savings_nanousd,
  uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
  visible_output_tokens, reasoning_tokens, input_audio_tokens, output_audio_tokens,
  input_image_tokens, output_image_tokens,
  latency_us AS latency_max_us,
  latency_bucket(latency_us)::text AS latencies
FROM usage_record;

-- Sums over the records that count in one hour, day or month of UTC. Each family of rows keeps its own
-- dimensions apart and leaves the other columns NULL (server/history/rollup.h says which family has which).
CREATE TABLE rollup (
  tenant_id text,
  family smallint,
  grain smallint,                  -- 1 hour, 2 day, 3 month
  start_time timestamptz,
  id uuid,                         -- MD5 of the dimensions
  project text, team text, user_name text, agent text, workflow text, tool text, step text,
  run text, parent_run text, root_run text,
  provider text, model text, service_tier text, region text, account text, event_type text,
  outcome smallint, cost_basis smallint,
  error_type text, error_category smallint, error_severity smallint, guardrail text,
  records bigint NOT NULL,         -- the columns from here on are those of counted_usage, summed
  calls bigint NOT NULL,
  succeeded_calls bigint NOT NULL,
  failed_calls bigint NOT NULL,
  retried_calls bigint NOT NULL,
  recovered_calls bigint NOT NULL,
  guardrail_hits bigint NOT NULL,
  unpriced_calls bigint NOT NULL,
  cost_nanousd bigint NOT NULL,
  estimated_nanousd bigint NOT NULL,
  cache_savings_nanousd bigint NOT NULL,
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
  latency_max_us bigint,           -- the greatest; NULL: no latency was given
  latencies text,                  -- their histogram, likewise
  PRIMARY KEY (tenant_id, family, grain, start_time, id)
) WITH (fillfactor = 70);
