//! Parses the protocol messages that a capture needs. Truncated or malformed bodies give `None`.

use super::Parameter;

/// Parser of a message body.
pub(super) struct Body<'a>(&'a [u8]);

/// Parse: assigns a name to a statement; empty for the unnamed statement.
pub(super) struct Parse<'a> {
    pub(super) name: &'a [u8],
    pub(super) sql: &'a [u8],
    pub(super) types: Vec<u32>,
}

/// Bind: assigns a portal name to a statement and its values; empty for the unnamed portal.
pub(super) struct Bind<'a> {
    pub(super) portal: &'a [u8],
    pub(super) statement: &'a [u8],
    pub(super) parameters: Vec<Parameter>,
    pub(super) result_formats: Vec<i16>,
}

impl<'a> Body<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the text up to the next zero byte.
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Some(text)
    }

    pub(super) fn parse(mut self) -> Option<Parse<'a>> {
        let (name, sql) = (self.text()?, self.text()?);
        let types =
            (0..self.int16()?).map(|_| self.int32().map(i32::cast_unsigned)).collect::<Option<_>>()?;
        Some(Parse { name, sql, types })
    }

    pub(super) fn bind(mut self) -> Option<Bind<'a>> {
        let (portal, statement) = (self.text()?, self.text()?);
        let formats = self.formats()?;
        let parameters = (0..self.int16()?).map(|at| self.parameter(&formats, at)).collect::<Option<_>>()?;
        Some(Bind { portal, statement, parameters, result_formats: self.formats()? })
    }

    /// Reads a parameter. No format means text; a single format applies to all parameters.
    fn parameter(&mut self, formats: &[i16], at: u16) -> Option<Parameter> {
        let format = match formats {
            [] => 0,
            [all] => *all,
            each => *each.get(usize::from(at))?,
        };
        let length = self.int32()?;
        let value = match usize::try_from(length) {
            Ok(length) => Some(self.take(length)?.to_vec()),
            Err(_) => None,
        };
        Some(Parameter { binary: format == 1, value })
    }

    fn formats(&mut self) -> Option<Vec<i16>> {
        (0..self.int16()?).map(|_| self.int16().map(u16::cast_signed)).collect()
    }

    fn int16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn int32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }
}
