//! The validation error of this layer, which names every invalid field.

/// An invalid input field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Name of the field, as in the request.
    pub field: String,
    /// Description of the allowed values, for the caller.
    pub message: String,
}

/// Rejection of an input. Names at least one field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    message: String,
    fields: Vec<FieldError>,
}

impl Invalid {
    /// Creates the error of a single field. `message` describes the allowed values.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        Self { message: format!("{field}: {message}"), fields: vec![FieldError { field, message }] }
    }

    /// Replaces the summary and retains the fields.
    #[must_use]
    pub fn headline(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// Adds a field error. The field may already have one.
    #[must_use]
    pub fn and(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.fields.push(FieldError { field: field.into(), message: message.into() });
        self
    }

    /// Returns both values.
    ///
    /// # Errors
    /// Returns [`Invalid`] with the fields of both if either is invalid.
    pub fn both<T, U>(one: Result<T, Self>, other: Result<U, Self>) -> Result<(T, U), Self> {
        let mut checks = Checks::default();
        let (one, other) = (checks.keep(one), checks.keep(other));
        one.zip(other).ok_or_else(|| checks.refused())
    }

    /// Returns the field errors in the order in which they were found.
    pub fn fields(&self) -> &[FieldError] {
        &self.fields
    }
}

/// Collects the errors of several fields, so that one response reports all of them.
#[derive(Debug, Default)]
pub struct Checks(Option<Invalid>);

impl Checks {
    /// Returns the value, or stores the error for [`Checks::refused`] and returns `None`.
    pub fn keep<T>(&mut self, checked: Result<T, Invalid>) -> Option<T> {
        checked.map_err(|invalid| self.store(invalid)).ok()
    }

    /// Stores the error of a field.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        self.store(Invalid::field(field, message));
    }

    fn store(&mut self, invalid: Invalid) {
        match &mut self.0 {
            Some(first) => {
                first.message = format!("{}; {}", first.message, invalid.message);
                first.fields.extend(invalid.fields);
            }
            None => self.0 = Some(invalid),
        }
    }

    /// Ends the checks.
    ///
    /// # Errors
    /// Returns all stored errors as one, if there are any.
    pub fn finish(self) -> Result<(), Invalid> {
        self.0.map_or(Ok(()), Err)
    }

    /// Returns all stored errors as one. Call this after [`Checks::keep`] returned `None`.
    pub fn refused(self) -> Invalid {
        self.0.unwrap_or_else(|| Invalid::field("request", "is not acceptable"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_report_all_invalid_fields() {
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
    fn both_reports_fields_of_both() {
        assert_eq!(Invalid::both(Ok(1), Ok("a")), Ok((1, "a")));
        let (page, filter) = (Invalid::field("page", "starts at 1"), Invalid::field("blocked", "is 1 or -1"));
        assert_eq!(Invalid::both::<(), _>(Err(page.clone()), Ok(1)), Err(page.clone()));
        let both = Invalid::both::<(), ()>(Err(filter), Err(page)).expect_err("both");
        assert_eq!(both.to_string(), "blocked: is 1 or -1; page: starts at 1");
    }
}
