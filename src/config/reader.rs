//! Reads typed values out of the merged layers, and gathers what is wrong with them.

use std::{fs, path::Path};

use figment::{Figment, value::Value};

use super::{
    FILE_VARIABLE, Flags, Origin,
    env::Layer,
    error::{Error, Problem},
};

/// The merged layers, and the problems found so far.
pub(super) struct Reader {
    figment: Figment,
    problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn open(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        flags: Flags,
    ) -> Result<Self, Error> {
        let env: Vec<_> = env.collect();
        let named = env.iter().find(|(name, value)| name == FILE_VARIABLE && !value.is_empty());
        let file = file.or_else(|| named.map(|(_, path)| Path::new(path)));

        let mut problems = Vec::new();
        let mut figment = Figment::from(Layer::defaults());
        if let Some(path) = file {
            let text =
                fs::read_to_string(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
            let layer = Layer::file(path, &text, &mut problems);
            figment = figment.merge(layer.map_err(|problem| Error::Syntax { path: path.to_owned(), problem })?);
        }
        let figment = figment
            .merge(Layer::environment(env.into_iter(), &mut problems))
            .merge(Layer::flags(flags.0, &mut problems));
        Ok(Self { figment, problems })
    }

    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Error> {
        value.filter(|_| self.problems.is_empty()).ok_or(Error::Invalid { problems: self.problems })
    }

    /// How the effective value's key is called where it was written.
    pub(super) fn place(&self, key: &str) -> String {
        let keys: Vec<_> = key.split('.').collect();
        let metadata = self.figment.find_metadata(key);
        metadata.map_or_else(|| key.to_owned(), |metadata| metadata.interpolate(self.figment.profile(), &keys))
    }

    /// What set the effective value.
    pub(super) fn origin(&self, key: &str) -> Origin {
        let place = self.place(key);
        match self.figment.find_metadata(key).map(|metadata| metadata.name.as_ref()) {
            Some(Layer::FILE) => Origin::File(place.strip_prefix(&format!("{key} in ")).unwrap_or(&place).to_owned()),
            Some(Layer::ENVIRONMENT) => Origin::Variable(place),
            Some(Layer::FLAGS) => Origin::Flag(place),
            _ => Origin::Default,
        }
    }

    /// The effective value as it was written.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        text(&self.figment.find_value(key).ok()?).ok()
    }

    /// Whether anything but the defaults sets the key.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.figment.find_metadata(key).is_some_and(|metadata| metadata.name != Layer::DEFAULTS)
    }

    /// A value that is there, as every key with a default is.
    pub(super) fn get<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.required(key, "expected a value, found nothing", parse)
    }

    pub(super) fn required<T>(
        &mut self,
        key: &str,
        missing: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if !self.figment.contains(key) {
            self.problems.push(Problem::new(key, missing));
        }
        self.optional(key, parse)
    }

    pub(super) fn optional<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let value = self.figment.find_value(key).ok()?;
        match text(&value).and_then(|text| parse(&text)) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problems.push(Problem::new(self.place(key), message));
                None
            }
        }
    }

    pub(super) fn conflict(&mut self, key: &str, message: &str) {
        self.problems.push(Problem::new(self.place(key), message));
    }
}

/// A value as one would write it in a variable, so that each key has one parser for all layers.
fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(_, text) => Ok(text.clone()),
        Value::Bool(_, value) => Ok(value.to_string()),
        Value::Num(_, number) => {
            let integer = number.to_i128().map(|number| number.to_string());
            Ok(integer.or_else(|| number.to_f64().map(|number| number.to_string())).unwrap_or_default())
        }
        Value::Char(..) | Value::Empty(..) | Value::Dict(..) | Value::Array(..) => {
            Err("expected a single value, found a table or a list".to_owned())
        }
    }
}
