//! What a server offers, and the terms it finds with a client.

use super::{Features, Handover, Hello, TakeOver, Transport, VERSION_MAX, VERSION_MIN};
use crate::checksum::CrcMode;
use crate::error::{Code, Error, Result};
use crate::limits::{Agreement, Geometry, Limits, RINGS};

/// What a server offers and requires.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What it can do.
    pub features: Features,
    /// The least its checksums may cover.
    pub crc: CrcMode,
    /// Ring capacities for a client that asks for none; 0 takes the transport's own.
    pub rings: [u32; RINGS],
    /// The most a client gets, unless the above is more; 0 takes the transport's own.
    pub rings_max: [u32; RINGS],
    /// Messages have to fit one frame in any lane.
    pub in_one_piece: bool,
    /// The most it agrees to.
    pub limits: Limits,
    /// A secret clients have to know.
    pub token: Option<Vec<u8>>,
}

/// What a server and a client agree on; the rest of a [`Welcome`] is about memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The version both will speak.
    pub version: u16,
    /// How memory will travel.
    pub transport: Transport,
    /// What both will use.
    pub features: Features,
    /// Geometry, checksums, limits.
    pub agreement: Agreement,
}

impl Policy {
    /// Finds the terms, or the reason why there are none, with the ranges of both sides.
    pub fn negotiate(&self, payload: &[u8]) -> Result<Terms> {
        check_versions(payload)?;
        let hello = Hello::decode(payload)?;
        if !self.features.contains(hello.required) {
            let (required, have) = (hello.required.0, self.features.0);
            let message =
                format!("the client requires features {required:#x}, the server has {have:#x}");
            return Err(Error::new(Code::Feature, message));
        }
        self.check_token(&hello.token)?;
        let shared = Features(self.features.0 & hello.offered.0);
        let transport = Transport::ALL
            .into_iter()
            .find(|transport| shared.contains(transport.feature()))
            .ok_or_else(|| {
                let (offered, have) = (hello.offered.0, self.features.0);
                let message = format!(
                    "no common transport: the client offers {offered:#x}, the server {have:#x}{}",
                    self.advice()
                );
                Error::new(Code::Feature, message)
            })?;
        let own = transport.geometry().with(self.rings);
        let requested = own.with(hello.rings);
        if !requested.is_valid() {
            let message = format!("ring capacities {:?} are not possible", requested.rings);
            return Err(Error::new(Code::Handshake, message));
        }
        // What was chosen for the server is given, whatever the limit.
        let chosen = Geometry { rings: self.rings };
        let most = transport.geometry_max().with(self.rings_max).at_least(chosen);
        let geometry = requested.at_most(most);
        let mut limits = self.limits.stricter(hello.limits);
        if self.in_one_piece {
            limits.message_len_max = limits.message_len_max.min(geometry.one_piece_len_max());
        }
        Ok(Terms {
            version: VERSION_MAX.min(hello.version_max),
            transport,
            features: shared,
            agreement: Agreement {
                geometry,
                crc: self.crc.max(hello.crc),
                limits,
                streams: shared.contains(Features::STREAMS),
                compression: shared.contains(Features::COMPRESSION),
                liveness: shared.contains(Features::LIVENESS),
            },
        })
    }

    /// Whether the name may go to a new server, which has to know what a client has to.
    pub fn consent(&self, payload: &[u8]) -> Result<Handover> {
        check_versions(payload)?;
        let TakeOver { version_max, token, .. } = TakeOver::decode(payload)?;
        self.check_token(&token)?;
        Ok(Handover { version: VERSION_MAX.min(version_max) })
    }

    /// What a client can do that has no transport in common with this server.
    fn advice(&self) -> &'static str {
        let shares_none =
            !self.features.contains(Features::SEALED) && !self.features.contains(Features::NAMED);
        if shares_none {
            "; the server shares no memory: ask for `transport: 'socket'`"
        } else {
            ""
        }
    }

    fn check_token(&self, found: &[u8]) -> Result<()> {
        match &self.token {
            Some(token) if !equal_in_constant_time(token, found) => {
                Err(Error::new(Code::Token, "the token is missing or wrong"))
            }
            _ => Ok(()),
        }
    }
}

/// The first fields of HELLO and of TAKE_OVER.
fn check_versions(payload: &[u8]) -> Result<()> {
    if let Some((low, high)) = Hello::versions(payload)
        && (high < VERSION_MIN || low > VERSION_MAX)
    {
        let message = format!(
            "the client speaks protocol versions {low} to {high}, \
             the server {VERSION_MIN} to {VERSION_MAX}"
        );
        return Err(Error::new(Code::Version, message));
    }
    Ok(())
}

/// Takes as long for a first wrong byte as for a last one.
fn equal_in_constant_time(expected: &[u8], found: &[u8]) -> bool {
    let differing = expected.iter().enumerate().fold(0, |differing, (index, byte)| {
        differing | (byte ^ found.get(index).copied().unwrap_or(!byte))
    });
    std::hint::black_box(differing) == 0 && expected.len() == found.len()
}
