//! Recipes and plans of modifiers, for the benches that render.

use std::path::Path;

use offprint::language::{self, Attributes, Macros, Order, Recipe};
use offprint::render::{Header, Headers, Limits, Plan, ProfileBytes, probe};

pub fn recipe(modifier: &str) -> Recipe {
    let (macros, attributes) = (Macros::default(), Attributes::default());
    let order = Order::new(modifier, &macros, &attributes);
    language::recipe(&order).unwrap().recipe
}

pub fn plan(recipe: &Recipe, header: &Header) -> Plan {
    Plan::of(recipe, header, &Headers::new(), &Limits::default(), &ProfileBytes::default()).unwrap()
}

pub fn plan_file(modifier: &str, source: &Path) -> Plan {
    plan(&recipe(modifier), &probe(source).unwrap())
}
