//! The folder with the data, and what is read from it.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use driftline::config::{Config, ModelConfig};
use driftline_events::ModelId;
use driftline_store::ReferenceFolder;
use driftline_summary::Reference;

use crate::data::{CATEGORIES, MODEL, NUMBERS, category_name, number_name};

/// Where the data are.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(path: &str) -> Self {
        Self(std::path::absolute(path).expect("the path is one"))
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    pub(crate) fn read(&self, file: &str) -> Bytes {
        let path = self.path(file);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
    }

    /// The stored reference.
    pub(crate) fn reference(&self) -> Reference {
        let found = self.references().load(&ModelId::try_new(MODEL).expect("a good name"));
        found.expect("it can be read").expect("`bench prepare` has made it")
    }

    pub(crate) fn references(&self) -> ReferenceFolder {
        ReferenceFolder::of(&self.path("state"))
    }

    /// Gives a state folder the reference for each of these models, so that a service need not build it.
    pub(crate) fn give_reference<'a>(&self, state: &Path, models: impl IntoIterator<Item = &'a str>) {
        let to = ReferenceFolder::of(state);
        let reference = self.reference();
        for model in models {
            to.save(&ModelId::try_new(model).expect("a good name"), &reference).expect("it can be written");
        }
    }

    /// The model's table of the configuration; `more` are further keys of it.
    pub(crate) fn model(&self, more: &str) -> String {
        model(MODEL, &format!("kind = \"file\", path = {:?}", self.path("reference.parquet")), more)
    }

    /// The model's settings, checked.
    pub(crate) fn model_config(&self, more: &str) -> ModelConfig {
        config(&self.model(more))
    }
}

/// A model's table of the configuration, with the 25 features.
pub(crate) fn model(name: &str, reference: &str, more: &str) -> String {
    let numbers = (0..NUMBERS).map(|at| (number_name(at), "numeric"));
    let categories = (0..CATEGORIES.len()).map(|at| (category_name(at), "categorical"));
    let features = numbers.chain(categories);
    let features: Vec<String> =
        features.map(|(name, kind)| format!("{{ name = {name:?}, kind = {kind:?} }}")).collect();
    format!(
        "[[models]]\nname = {name:?}\ntask = \"binary\"\npositive = \"yes\"\nidle_timeout = \"off\"\n\
         reference = {{ {reference} }}\nfeatures = [{}]\n{more}\n",
        features.join(", ")
    )
}

/// A configuration with one model, checked.
pub(crate) fn config(text: &str) -> ModelConfig {
    let mut config = Config::parse(text, "bench", PathBuf::new(), std::iter::empty())
        .unwrap_or_else(|error| panic!("{error}"));
    config.models.remove(0)
}
