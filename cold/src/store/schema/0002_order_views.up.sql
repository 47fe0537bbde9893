-- What a person asks for, without knowing the words of a status.

CREATE VIEW order_states AS
SELECT
    client_order_id,
    order_id,
    strategy,
    venue,
    symbol,
    window_id,
    side,
    quantity,
    filled_quantity,
    average_fill_price,
    CASE WHEN unknown = 1 THEN 'unknown' ELSE status END AS shown_status,
    status,
    status_since_ns,
    status IN ('created', 'validated', 'submitted', 'acknowledged', 'partially_filled')
        AS is_active,
    status IN ('submitted', 'acknowledged', 'partially_filled') AS can_cancel
FROM orders;

CREATE VIEW open_orders AS
SELECT * FROM orders
WHERE status IN ('created', 'validated', 'submitted', 'acknowledged', 'partially_filled');

CREATE INDEX orders_by_strategy ON orders (strategy_id, request_id);
