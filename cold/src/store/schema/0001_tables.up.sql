-- Tables of the projection. INTEGER is 64 bits wide (BIGINT in PostgreSQL), moments are nanoseconds
-- since 1970-01-01 UTC, and no number is a float: prices and quantities stand as exact decimal text
-- beside their integer units and scale.

CREATE TABLE instruments (
    instrument_id        INTEGER PRIMARY KEY,
    venue                TEXT    NOT NULL,
    account              INTEGER NOT NULL,
    symbol               TEXT    NOT NULL,
    venue_code           INTEGER NOT NULL,
    kind                 TEXT    NOT NULL,
    state                TEXT    NOT NULL,
    price_scale          INTEGER NOT NULL,
    quantity_scale       INTEGER NOT NULL,
    tick                 TEXT    NOT NULL,
    lot                  TEXT    NOT NULL,
    quantity_min         TEXT    NOT NULL,
    quantity_max         TEXT    NOT NULL,
    multiplier           TEXT    NOT NULL
) STRICT;

CREATE TABLE orders (
    client_order_id      INTEGER PRIMARY KEY,
    order_id             TEXT,
    intent_id            INTEGER,
    request_id           INTEGER NOT NULL,
    strategy_id          INTEGER NOT NULL,
    strategy             TEXT    NOT NULL,
    venue                TEXT    NOT NULL,
    account              INTEGER NOT NULL,
    instrument_id        INTEGER NOT NULL REFERENCES instruments (instrument_id),
    symbol               TEXT    NOT NULL,
    -- live, paper or dry_run: the venue's mode when the order was created.
    mode                 TEXT    NOT NULL,
    -- For venues that have them.
    position_id          TEXT,
    window_id            TEXT,
    market_id            TEXT,
    token_id             TEXT,
    side                 TEXT    NOT NULL CHECK (side IN ('buy', 'sell')),
    order_type           TEXT    NOT NULL,
    time_in_force        TEXT    NOT NULL,
    post_only            INTEGER NOT NULL CHECK (post_only IN (0, 1)),
    reduce_only          INTEGER NOT NULL CHECK (reduce_only IN (0, 1)),
    price_scale          INTEGER NOT NULL,
    quantity_scale       INTEGER NOT NULL,
    price                TEXT    NOT NULL,
    price_units          INTEGER NOT NULL,
    quantity             TEXT    NOT NULL,
    quantity_units       INTEGER NOT NULL,
    filled_quantity      TEXT    NOT NULL,
    filled_units         INTEGER NOT NULL,
    -- Sum of price units x quantity units: the exact numerator of the average, up to 128 bits.
    executed_value_units TEXT    NOT NULL,
    -- Rounded half to even at price_scale + 8 places; NULL before the first fill.
    average_fill_price   TEXT,
    -- Positive = charged. Units of 10^-12, up to 128 bits.
    fee                  TEXT    NOT NULL,
    fee_units            TEXT    NOT NULL,
    status               TEXT    NOT NULL,
    -- 1 while the effect of a command is not known.
    unknown              INTEGER NOT NULL CHECK (unknown IN (0, 1)),
    needs_operator       INTEGER NOT NULL CHECK (needs_operator IN (0, 1)),
    created_at_ns        INTEGER NOT NULL,
    submitted_at_ns      INTEGER,
    acknowledged_at_ns   INTEGER,
    filled_at_ns         INTEGER,
    cancelled_at_ns      INTEGER,
    ended_at_ns          INTEGER,
    status_since_ns      INTEGER NOT NULL,
    -- From the intent to the venue's first word about the order.
    latency_us           INTEGER,
    venue_code           INTEGER NOT NULL,
    error_message        TEXT,
    last_sequence        INTEGER NOT NULL
) STRICT;

CREATE INDEX orders_by_status   ON orders (status);
CREATE INDEX orders_by_window   ON orders (window_id) WHERE window_id IS NOT NULL;
CREATE INDEX orders_by_order_id ON orders (order_id) WHERE order_id IS NOT NULL;

-- One row per command that was journaled: a new order, a cancel, a replace.
CREATE TABLE trade_intents (
    intent_id            INTEGER PRIMARY KEY,
    client_order_id      INTEGER NOT NULL REFERENCES orders (client_order_id),
    command              TEXT    NOT NULL CHECK (command IN ('new', 'cancel', 'replace')),
    command_seq          INTEGER NOT NULL,
    send_no              INTEGER NOT NULL,
    request_id           INTEGER NOT NULL,
    price                TEXT    NOT NULL,
    price_units          INTEGER NOT NULL,
    quantity             TEXT    NOT NULL,
    quantity_units       INTEGER NOT NULL,
    state                TEXT    NOT NULL
        CHECK (state IN ('pending', 'executing', 'completed', 'failed')),
    unknown              INTEGER NOT NULL CHECK (unknown IN (0, 1)),
    outcome              TEXT,
    -- JSON: what it came to.
    result               TEXT,
    created_at_ns        INTEGER NOT NULL,
    valid_until_ns       INTEGER NOT NULL,
    sent_at_ns           INTEGER,
    completed_at_ns      INTEGER,
    -- From the intent to the venue's answer to it.
    latency_us           INTEGER,
    -- 64-bit hash of the payload that was handed to TLS, hexadecimal.
    payload_hash         TEXT,
    -- The moment of the decision on the clock of its run: what latency is counted from.
    boot_epoch           INTEGER NOT NULL,
    decided_at_ns        INTEGER NOT NULL,
    sequence             INTEGER NOT NULL
) STRICT;

CREATE INDEX trade_intents_by_order ON trade_intents (client_order_id);

-- One row per execution. A venue that takes one back adds a row of kind 'reversal' with the
-- opposite quantity; a row is never changed.
CREATE TABLE fills (
    sequence             INTEGER NOT NULL,
    ordinal              INTEGER NOT NULL,
    kind                 TEXT    NOT NULL CHECK (kind IN ('fill', 'reversal')),
    venue                TEXT    NOT NULL,
    symbol               TEXT    NOT NULL,
    execution_id         TEXT    NOT NULL,
    client_order_id      INTEGER NOT NULL REFERENCES orders (client_order_id),
    strategy             TEXT    NOT NULL,
    side                 TEXT    NOT NULL,
    price_scale          INTEGER NOT NULL,
    quantity_scale       INTEGER NOT NULL,
    price                TEXT    NOT NULL,
    price_units          INTEGER NOT NULL,
    quantity             TEXT    NOT NULL,
    quantity_units       INTEGER NOT NULL,
    -- Positive = charged; in the venue's fee currency.
    commission           TEXT    NOT NULL,
    commission_units     INTEGER NOT NULL,
    liquidity            TEXT    NOT NULL,
    late                 INTEGER NOT NULL CHECK (late IN (0, 1)),
    overfill             INTEGER NOT NULL CHECK (overfill IN (0, 1)),
    venue_time_ns        INTEGER NOT NULL,
    booked_at_ns         INTEGER NOT NULL,
    PRIMARY KEY (sequence, ordinal),
    UNIQUE (venue, symbol, execution_id, client_order_id, kind)
) STRICT, WITHOUT ROWID;

CREATE INDEX fills_by_order ON fills (client_order_id);

-- What happened, in the journal's order: sequence is the journal entry, ordinal the decision in it.
CREATE TABLE execution_logs (
    sequence             INTEGER NOT NULL,
    ordinal              INTEGER NOT NULL,
    client_order_id      INTEGER,
    request_id           INTEGER NOT NULL,
    strategy             TEXT    NOT NULL,
    kind                 TEXT    NOT NULL,
    from_status          TEXT,
    to_status            TEXT,
    unknown              INTEGER NOT NULL CHECK (unknown IN (0, 1)),
    at_ns                INTEGER NOT NULL,
    attempt              INTEGER,
    reason               TEXT,
    -- JSON.
    metadata             TEXT,
    PRIMARY KEY (sequence, ordinal)
) STRICT, WITHOUT ROWID;

CREATE INDEX execution_logs_by_order ON execution_logs (client_order_id)
    WHERE client_order_id IS NOT NULL;

CREATE TRIGGER execution_logs_refuse_update BEFORE UPDATE ON execution_logs
BEGIN
    SELECT RAISE(ABORT, 'execution_logs is append-only: a row is never changed');
END;

CREATE TRIGGER execution_logs_refuse_delete BEFORE DELETE ON execution_logs
BEGIN
    SELECT RAISE(ABORT, 'execution_logs is append-only: a row is never deleted');
END;

-- REPLACE deletes without a delete trigger unless recursive_triggers is on: refused before it does.
CREATE TRIGGER execution_logs_refuse_replace BEFORE INSERT ON execution_logs
WHEN EXISTS (
    SELECT 1 FROM execution_logs
    WHERE sequence = NEW.sequence AND ordinal = NEW.ordinal
)
BEGIN
    SELECT RAISE(ABORT, 'execution_logs is append-only: a row is never replaced');
END;

-- How far the rows go, changed in the same transaction as they.
CREATE TABLE cursor (
    only_row             INTEGER PRIMARY KEY CHECK (only_row = 1),
    -- 128 bits, hexadecimal.
    journal_id           TEXT    NOT NULL,
    sequence             INTEGER NOT NULL,
    -- Run and clock of that entry: tells it from another entry with the same number.
    entry_epoch          INTEGER NOT NULL,
    entry_now_ns         INTEGER NOT NULL,
    -- What later entries are read with: run, clocks and configuration in force.
    boot_epoch           INTEGER NOT NULL,
    anchor_monotonic_ns  INTEGER NOT NULL,
    anchor_unix_ns       INTEGER NOT NULL,
    config               BLOB
) STRICT;
