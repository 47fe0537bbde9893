# Short names for `cargo xtask`; nothing is done here that a verb does not do.

check:
    cargo xtask check

test:
    cargo xtask test

tidy:
    cargo xtask tidy

coverage:
    cargo xtask coverage
