//! The documents of the `config` and `capabilities` sub-commands and the connector metadata.
