//! What `#[safemap(…)]` says of a struct and of its fields.
//!
//! Whatever can be judged by the text alone is judged here, so that it is told where it stands.

use proc_macro2::{Span, TokenStream};
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, LitStr, Result, Token, parenthesized};

use crate::duration::millis;

/// The longest key, in bytes.
const LONGEST_KEY: usize = 1024;

/// What is said of a field.
pub(crate) struct FieldRule {
    /// The key or pattern, without the struct's prefix.
    pub(crate) key: String,
    /// Where faults of the key are told.
    pub(crate) span: Span,
    pub(crate) range: Option<TokenStream>,
    pub(crate) pattern: Option<LitStr>,
    pub(crate) one_of: Option<Vec<LitStr>>,
    pub(crate) max_size: Option<Expr>,
    pub(crate) max_characters: Option<Expr>,
    pub(crate) ttl: Option<u64>,
    pub(crate) idle: Option<u64>,
    pub(crate) is_required: bool,
}

impl FieldRule {
    /// Reads the attributes of a field with this name.
    pub(crate) fn read(name: &str, span: Span, attributes: &[Attribute]) -> Result<Self> {
        let mut rule = Self {
            key: name.strip_prefix("r#").unwrap_or(name).to_owned(),
            span,
            range: None,
            pattern: None,
            one_of: None,
            max_size: None,
            max_characters: None,
            ttl: None,
            idle: None,
            is_required: false,
        };
        each(attributes, |meta| rule.take(meta))?;
        Ok(rule)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match name.as_str() {
            "key" => {
                let key: LitStr = meta.value()?.parse()?;
                (self.key, self.span) = (key.value(), key.span());
            }
            "range" => {
                let content;
                parenthesized!(content in meta.input);
                self.range = Some(content.parse()?);
            }
            "pattern" => {
                let expression: LitStr = meta.value()?.parse()?;
                let whole = format!("^(?:{})$", expression.value());
                regex_lite::Regex::new(&whole).map_err(|fault| {
                    Error::new(expression.span(), format!("the pattern can't be read: {fault}"))
                })?;
                self.pattern = Some(expression);
            }
            "one_of" => {
                let content;
                parenthesized!(content in meta.input);
                let names = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
                if names.is_empty() {
                    return Err(meta.error("one of none is nothing"));
                }
                self.one_of = Some(names.into_iter().collect());
            }
            "max_size" => self.max_size = Some(meta.value()?.parse()?),
            "max_characters" => self.max_characters = Some(meta.value()?.parse()?),
            "ttl" => self.ttl = Some(time(meta)?),
            "idle" => self.idle = Some(time(meta)?),
            "required" => self.is_required = true,
            _ => {
                return Err(meta.error(
                    "of a field there are key, range, pattern, one_of, max_size, max_characters, \
                     ttl, idle and required",
                ));
            }
        }
        Ok(())
    }

    /// Whether the key is a pattern.
    pub(crate) fn is_pattern(&self) -> bool {
        self.key.contains('*')
    }

    /// Tells what is wrong with the whole.
    pub(crate) fn check(&self) -> Result<()> {
        let fault = |reason: &str| Err(Error::new(self.span, format!("{:?}: {reason}", self.key)));
        if let Some(reason) = key_fault(&self.key) {
            return fault(reason);
        }
        if self.is_required && self.is_pattern() {
            return fault("a pattern stands for many keys and can't be required");
        }
        if self.is_required && (self.ttl.is_some() || self.idle.is_some()) {
            return fault("an entry that expires can't be required");
        }
        if self.one_of.is_some() && self.pattern.is_some() {
            return fault("one_of and pattern exclude each other");
        }
        Ok(())
    }
}

/// The prefix that a struct's attributes ask for.
pub(crate) fn prefix(attributes: &[Attribute]) -> Result<Option<String>> {
    let mut prefix = None;
    each(attributes, |meta| {
        if !meta.path.is_ident("prefix") {
            return Err(meta.error("of a struct there is prefix"));
        }
        prefix = Some(meta.value()?.parse::<LitStr>()?.value());
        Ok(())
    })?;
    Ok(prefix)
}

fn each(
    attributes: &[Attribute],
    mut take: impl FnMut(&ParseNestedMeta<'_>) -> Result<()>,
) -> Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("safemap")) {
        let mut seen: Vec<String> = Vec::new();
        attribute.parse_nested_meta(|meta| {
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            if seen.contains(&name) {
                return Err(meta.error("this is said twice"));
            }
            seen.push(name);
            take(&meta)
        })?;
    }
    Ok(())
}

fn time(meta: &ParseNestedMeta<'_>) -> Result<u64> {
    let text: LitStr = meta.value()?.parse()?;
    millis(&text.value()).map_err(|fault| Error::new(text.span(), fault))
}

/// What is wrong with a text as a key pattern, as the map itself would say it.
fn key_fault(key: &str) -> Option<&'static str> {
    if key.len() > LONGEST_KEY {
        return Some("a key is no longer than 1024 bytes");
    }
    let mut segments = key.split('.').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "" => return Some("a segment is empty"),
            "**" if is_last => {}
            "**" => return Some("** may only be last"),
            "*" => {}
            _ if segment.contains('*') => return Some("* stands for a whole segment"),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::key_fault;

    #[test]
    fn what_is_no_key_pattern_is_refused() {
        for key in ["a", "a.*", "user.*.id", "a.**", "**"] {
            assert_eq!(key_fault(key), None, "{key}");
        }
        for key in ["", "a..b", "a.", "a.**.b", "a.x*", &"k".repeat(1025)] {
            assert!(key_fault(key).is_some(), "{key}");
        }
    }
}
