//! What is wrong with an input, field by field: the one error of this layer.

/// One input field and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field as the caller named it.
    pub field: String,
    /// What is allowed, in words for the caller.
    pub message: String,
}

/// An input that was refused. Names at least one field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    message: String,
    fields: Vec<FieldError>,
}

impl Invalid {
    /// The single `field` is wrong; `message` says what is allowed.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        Self { message: format!("{field}: {message}"), fields: vec![FieldError { field, message }] }
    }

    /// The same refusal under another headline.
    #[must_use]
    pub fn headline(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// The same refusal with one more remark, on a field that may be named already.
    #[must_use]
    pub fn and(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.fields.push(FieldError { field: field.into(), message: message.into() });
        self
    }

    /// Returns both values, or all wrong fields of both.
    ///
    /// # Errors
    /// Returns [`Invalid`] if one of them is invalid.
    pub fn both<T, U>(one: Result<T, Self>, other: Result<U, Self>) -> Result<(T, U), Self> {
        let mut checks = Checks::default();
        let (one, other) = (checks.keep(one), checks.keep(other));
        one.zip(other).ok_or_else(|| checks.refused())
    }

    /// Every wrong field, in the order found.
    pub fn fields(&self) -> &[FieldError] {
        &self.fields
    }
}

/// Collects the refusals of several fields, so that the caller learns of all of them at once.
#[derive(Debug, Default)]
pub struct Checks(Option<Invalid>);

impl Checks {
    /// The value, or `None` with the refusal kept for [`Checks::refused`].
    pub fn keep<T>(&mut self, checked: Result<T, Invalid>) -> Option<T> {
        let invalid = match checked {
            Ok(value) => return Some(value),
            Err(invalid) => invalid,
        };
        match &mut self.0 {
            Some(first) => {
                first.message = format!("{}; {}", first.message, invalid.message);
                first.fields.extend(invalid.fields);
            }
            None => self.0 = Some(invalid),
        }
        None
    }

    /// All refusals as one. To be called when some [`Checks::keep`] gave `None`.
    pub fn refused(self) -> Invalid {
        self.0.unwrap_or_else(|| Invalid::field("request", "is not acceptable"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_refused_fields_are_named_at_once() {
        let mut checks = Checks::default();
        assert_eq!(checks.keep(Ok(3)), Some(3));
        assert_eq!(checks.keep::<()>(Err(Invalid::field("page", "starts at 1"))), None);
        assert_eq!(checks.keep::<()>(Err(Invalid::field("blocked", "is 1 or -1"))), None);
        let invalid = checks.refused();
        assert_eq!(invalid.to_string(), "page: starts at 1; blocked: is 1 or -1");
        assert_eq!(
            invalid.fields().iter().map(|f| f.field.as_str()).collect::<Vec<_>>(),
            ["page", "blocked"]
        );
    }

    #[test]
    fn both_names_fields_of_either() {
        assert_eq!(Invalid::both(Ok(1), Ok("a")), Ok((1, "a")));
        let (page, filter) = (Invalid::field("page", "starts at 1"), Invalid::field("blocked", "is 1 or -1"));
        assert_eq!(Invalid::both::<(), _>(Err(page.clone()), Ok(1)), Err(page.clone()));
        let both = Invalid::both::<(), ()>(Err(filter), Err(page)).expect_err("both");
        assert_eq!(both.to_string(), "blocked: is 1 or -1; page: starts at 1");
    }
}
