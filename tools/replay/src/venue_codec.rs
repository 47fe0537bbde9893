//! The venues' codecs, made from the journaled configuration alone.
//!
//! Owns: which codec a venue's dialect names, and its instrument table in force. Invariants: the
//! same configuration entries give the same tables as in the run that wrote them; nothing here
//! reads a configuration file or a key. Must not know: orders, state. Threads: the caller's.

use std::fmt;

use model::{EngineConfig, Instrument, InstrumentId, OrderIntent, VenueId, VenueReport};
use protocol::venue::okx::decode::{MAX_REPORTS, OkxDecoder};
use protocol::venue::okx::encode::{EncodeError, MAX_COMMAND_BYTES, encode_command};
use protocol::venue::okx::instrument_table::{InstrumentTable, TableError};

/// Why a frame cannot be read or a payload not be written again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecError {
    /// No configuration so far has the venue.
    UnknownVenue {
        /// It.
        found: VenueId,
    },
    /// No configuration so far has the instrument.
    UnknownInstrument {
        /// It.
        found: InstrumentId,
    },
    /// The venue speaks a protocol that this build does not know.
    UnknownDialect {
        /// The venue's name.
        venue: String,
        /// Its dialect.
        found: String,
    },
    /// The venue's instruments contradict each other.
    Table(TableError),
    /// The intent has no words at the venue.
    Encode(EncodeError),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVenue { found } => write!(f, "venue {found} is in no configuration"),
            Self::UnknownInstrument { found } => {
                write!(f, "instrument {found} is in no configuration")
            }
            Self::UnknownDialect { venue, found } => write!(
                f,
                "venue {venue} speaks {found:?}, which this build does not know (it knows okx)"
            ),
            Self::Table(error) => error.fmt(f),
            Self::Encode(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CodecError {}

/// One venue's codec.
enum VenueCodec {
    Okx(InstrumentTable),
    /// Neither frames nor payloads can be made of it.
    Unknown(CodecError),
}

/// The codecs of every venue in force, with the memory that they work in.
pub(crate) struct VenueCodecs {
    venues: Vec<VenueCodec>,
    instrument_venues: Vec<VenueId>,
    decoder: OkxDecoder,
    frame: Vec<u8>,
    reports: Vec<VenueReport>,
    payload: [u8; MAX_COMMAND_BYTES],
}

impl VenueCodecs {
    pub(crate) fn new() -> Self {
        Self {
            venues: Vec::new(),
            instrument_venues: Vec::new(),
            decoder: OkxDecoder::new(),
            frame: Vec::new(),
            reports: Vec::with_capacity(MAX_REPORTS),
            payload: [0; MAX_COMMAND_BYTES],
        }
    }

    /// A configuration came into force.
    pub(crate) fn apply_config(&mut self, config: &EngineConfig) {
        let policies = config.instruments.iter();
        self.instrument_venues = policies.map(|policy| policy.instrument.venue).collect();
        self.venues = config
            .venues
            .iter()
            .map(|policy| match policy.dialect.as_str() {
                "okx" => InstrumentTable::in_force(policy.id, config).map_or_else(
                    |error| VenueCodec::Unknown(CodecError::Table(error)),
                    VenueCodec::Okx,
                ),
                found => VenueCodec::Unknown(CodecError::UnknownDialect {
                    venue: policy.name.to_string(),
                    found: found.to_owned(),
                }),
            })
            .collect();
    }

    /// New rules of one instrument came into force.
    pub(crate) fn apply_instrument(&mut self, instrument: &Instrument) -> Result<(), CodecError> {
        let found = instrument.venue;
        match self.venues.get_mut(usize::from(found.0)) {
            Some(VenueCodec::Okx(table)) => table.apply(instrument).map_err(CodecError::Table),
            Some(VenueCodec::Unknown(error)) => Err(error.clone()),
            None => Err(CodecError::UnknownVenue { found }),
        }
    }

    /// What a frame says, decoded from its journaled bytes.
    pub(crate) fn decode(
        &mut self,
        venue: VenueId,
        raw: &[u8],
    ) -> Result<&[VenueReport], CodecError> {
        let table = okx_of(&self.venues, venue)?;
        // Decoding spoils what it reads.
        self.frame.clear();
        self.frame.extend_from_slice(raw);
        self.decoder
            .decode(&mut self.frame, table, &mut self.reports);
        Ok(&self.reports)
    }

    /// The payload of a command, as it goes to the venue.
    pub(crate) fn encode(&mut self, intent: &OrderIntent) -> Result<&[u8], CodecError> {
        let found = intent.instrument;
        let at = usize::try_from(found.0).unwrap_or(usize::MAX);
        let venue = self.instrument_venues.get(at);
        let venue = *venue.ok_or(CodecError::UnknownInstrument { found })?;
        let table = okx_of(&self.venues, venue)?;
        let length =
            encode_command(&mut self.payload, intent, table).map_err(CodecError::Encode)?;
        Ok(&self.payload[..length])
    }
}

fn okx_of(venues: &[VenueCodec], venue: VenueId) -> Result<&InstrumentTable, CodecError> {
    match venues.get(usize::from(venue.0)) {
        Some(VenueCodec::Okx(table)) => Ok(table),
        Some(VenueCodec::Unknown(error)) => Err(error.clone()),
        None => Err(CodecError::UnknownVenue { found: venue }),
    }
}
