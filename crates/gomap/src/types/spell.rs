//! From the syntax of a type to its name as `reflect` prints it.

use super::error::{TypeError, TypeFault};
use super::names::{Definition, last_part};
use super::resolve::{Found, Predeclared, Resolver, Scope, predeclared};
use super::syntax::{Direction, Signature, TypeKind, TypeSyntax};

/// Bytes of a type's name.
const MAX_SPELLING: usize = 1 << 14;

impl Resolver<'_> {
    /// Spells a type as `reflect` does. Names that nobody knows stay as they are.
    pub(super) fn spell(
        &mut self,
        syntax: &TypeSyntax,
        scope: &Scope,
    ) -> Result<String, TypeError> {
        self.count(syntax.at, scope)?;
        let text = match &syntax.kind {
            TypeKind::Pointer(to) => format!("*{}", self.spell(to, scope)?),
            TypeKind::Slice(elem) => format!("[]{}", self.spell(elem, scope)?),
            TypeKind::Array(len, elem) => {
                let len = self.constant(len, scope, 0, 0)?;
                format!("[{len}]{}", self.spell(elem, scope)?)
            }
            TypeKind::Map(key, elem) => {
                format!("map[{}]{}", self.spell(key, scope)?, self.spell(elem, scope)?)
            }
            TypeKind::Chan(direction, elem) => {
                let spelled = self.spell(elem, scope)?;
                let is_receiver = matches!(elem.kind, TypeKind::Chan(Direction::Receive, _));
                match direction {
                    Direction::Receive => format!("<-chan {spelled}"),
                    Direction::Send => format!("chan<- {spelled}"),
                    Direction::Both if is_receiver => format!("chan ({spelled})"),
                    Direction::Both => format!("chan {spelled}"),
                }
            }
            TypeKind::Func(signature) => format!("func{}", self.spell_signature(signature, scope)?),
            TypeKind::Struct(fields) => {
                let mut parts = Vec::new();
                for field in fields {
                    let ty = self.spell(&field.ty, scope)?;
                    let tag = match &field.tag {
                        Some(tag) if !tag.is_empty() => format!(" {}", quoted(tag)),
                        _ => String::new(),
                    };
                    if field.names.is_empty() {
                        parts.push(format!("{ty}{tag}"));
                    }
                    for name in &field.names {
                        parts.push(format!("{name} {ty}{tag}"));
                    }
                    if parts.iter().map(String::len).sum::<usize>() > MAX_SPELLING {
                        return Err(scope.fault(syntax.at, TypeFault::TooComplex));
                    }
                }
                match parts.is_empty() {
                    true => "struct {}".to_owned(),
                    false => format!("struct {{ {} }}", parts.join("; ")),
                }
            }
            TypeKind::Interface { methods, embedded } => {
                let mut parts = Vec::new();
                for (name, signature) in methods {
                    parts.push(format!("{name}{}", self.spell_signature(signature, scope)?));
                }
                for inner in embedded {
                    parts.push(self.spell(inner, scope)?);
                }
                parts.sort();
                match parts.is_empty() {
                    true => "interface {}".to_owned(),
                    false => format!("interface {{ {} }}", parts.join("; ")),
                }
            }
            TypeKind::Name { package, name, arguments } => {
                self.spell_name(syntax.at, package.as_deref(), name, arguments, scope)?
            }
        };
        match text.len() > MAX_SPELLING {
            true => Err(scope.fault(syntax.at, TypeFault::TooComplex)),
            false => Ok(text),
        }
    }

    fn spell_name(
        &mut self,
        at: usize,
        package: Option<&str>,
        name: &str,
        arguments: &[TypeSyntax],
        scope: &Scope,
    ) -> Result<String, TypeError> {
        if let (None, Some(argument)) = (package, scope.argument(name)) {
            return Ok(argument.spelling.clone());
        }
        let found = self.names.find(package.or(scope.package.as_deref()), name);
        let plain = match found {
            Some(Definition::Type { spelling, .. }) => return Ok(spelling),
            Some(Definition::Source { spelling: Some(spelling), .. }) => spelling,
            Some(Definition::Source { spelling: None, .. }) => {
                // An alias is spelled as what it stands for.
                if let Some(Found::Declared(declared)) =
                    self.find(at, package, name, arguments, scope)?
                {
                    let key = format!("alias {name}");
                    if self.path.contains(&key) {
                        let name = name.to_owned();
                        return Err(scope.fault(at, TypeFault::Recursive { name }));
                    }
                    self.path.push(key);
                    let spelling = self.spell(&declared.syntax, &declared.scope)?;
                    self.path.pop();
                    return Ok(spelling);
                }
                name.to_owned()
            }
            _ => match (package, predeclared(name)) {
                (None, Some(Predeclared::Type(_, spelling))) => return Ok(spelling.to_owned()),
                (Some(package), _) => format!("{}.{name}", last_part(package)),
                (None, _) => name.to_owned(),
            },
        };
        Ok(match arguments.is_empty() {
            true => plain,
            false => format!("{plain}[{}]", self.spell_list(arguments, scope)?),
        })
    }

    pub(super) fn spell_list(
        &mut self,
        list: &[TypeSyntax],
        scope: &Scope,
    ) -> Result<String, TypeError> {
        let spelled: Result<Vec<_>, _> =
            list.iter().map(|argument| self.spell(argument, scope)).collect();
        Ok(spelled?.join(","))
    }

    fn spell_signature(
        &mut self,
        signature: &Signature,
        scope: &Scope,
    ) -> Result<String, TypeError> {
        let mut parameters = Vec::new();
        for (index, parameter) in signature.parameters.iter().enumerate() {
            let spelled = self.spell(parameter, scope)?;
            let is_last = index + 1 == signature.parameters.len();
            parameters.push(match signature.is_variadic && is_last {
                true => format!("...{spelled}"),
                false => spelled,
            });
        }
        let mut results = Vec::new();
        for result in &signature.results {
            results.push(self.spell(result, scope)?);
        }
        Ok(match results.as_slice() {
            [] => format!("({})", parameters.join(", ")),
            [one] => format!("({}) {one}", parameters.join(", ")),
            several => format!("({}) ({})", parameters.join(", "), several.join(", ")),
        })
    }
}

/// Quotes a tag as `strconv.Quote` does, for the characters that tags hold.
fn quoted(tag: &str) -> String {
    format!("{tag:?}")
}
