DROP INDEX orders_by_strategy;
DROP VIEW open_orders;
DROP VIEW order_states;
