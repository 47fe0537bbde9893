DROP TABLE cursor;
DROP TABLE execution_logs;
DROP TABLE fills;
DROP TABLE trade_intents;
DROP TABLE orders;
DROP TABLE instruments;
