//! Stubs for builds without the feature `deflate`, in which no connection compresses.

use super::super::frame::Opcode;
use super::PreparedEncoding;
use crate::close::ProtocolError;

/// Stub that has no values.
#[derive(Debug)]
pub(crate) enum Inflater {}

impl Inflater {
    pub(crate) fn release_codec(&mut self) {
        match *self {}
    }

    pub(crate) fn start_stream(&mut self, _: usize) {
        match *self {}
    }

    pub(crate) fn start_message(&mut self) {
        match *self {}
    }

    pub(crate) fn remaining_compressed(&self, _: usize) -> usize {
        match *self {}
    }

    pub(crate) fn is_per_frame(&self) -> bool {
        match *self {}
    }

    pub(crate) fn is_active(&self) -> bool {
        match *self {}
    }

    pub(crate) fn next_frame_limit(&self, _: usize) -> usize {
        match *self {}
    }

    pub(crate) fn feed(
        &mut self,
        _: &[u8],
        _: &mut Vec<u8>,
        _: usize,
        _: impl FnMut(&[u8]) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        match *self {}
    }

    pub(crate) fn start_part(&mut self, _: &[u8]) {
        match *self {}
    }

    pub(crate) fn feed_part(&mut self, _: &[u8], _: &mut Vec<u8>, _: usize) -> Result<usize, ProtocolError> {
        match *self {}
    }

    pub(crate) fn finish_part(&mut self, _: &[u8]) {
        match *self {}
    }

    pub(crate) fn finish(
        &mut self,
        _: &mut Vec<u8>,
        _: usize,
        _: impl FnMut(&[u8]) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        match *self {}
    }
}

/// Stub that has no values.
#[derive(Debug)]
pub(crate) enum Deflater {}

impl Deflater {
    pub(crate) fn set_enabled(&mut self, _: bool) {
        match *self {}
    }

    pub(crate) fn should_compress(&self, _: usize) -> bool {
        match *self {}
    }

    pub(crate) fn compress(&mut self, _: &[u8], _: &mut Vec<u8>) -> bool {
        match *self {}
    }

    pub(crate) fn compresses_fragments(&self) -> bool {
        match *self {}
    }

    pub(crate) fn compress_fragment(&mut self, _: &[u8], _: &mut Vec<u8>) -> bool {
        match *self {}
    }

    pub(crate) fn finish_fragments(&mut self, _: &mut Vec<u8>) {
        match *self {}
    }
}

/// Stub that never holds a compressed frame.
#[derive(Debug, Default)]
pub(crate) struct SharedDeflate(());

impl SharedDeflate {
    pub(crate) fn encoding(&self, _: Opcode, _: &[u8], deflater: &mut Deflater) -> PreparedEncoding<'_> {
        let Self(()) = self;
        match *deflater {}
    }
}
