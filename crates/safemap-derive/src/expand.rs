//! From a struct to the code that makes its schema and its handles.
//!
//! The code calls functions of `tophash_safemap::derive` that are generic over a field's type, so that
//! a limit which the type has not is an error of the compiler, at the field.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Fields, Ident, Result, Type};

use crate::attributes::{FieldRule, prefix};

struct Field<'f> {
    name: &'f Ident,
    handle: &'f Type,
    rule: FieldRule,
}

/// The implementation of `SchemaKeys` for a struct.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.ident.span(), "a schema is derived from a struct"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new(input.ident.span(), "the fields of a schema have names"));
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new(input.generics.span(), "a schema has no parameters"));
    }
    let prefix = prefix(&input.attrs)?;
    let mut keys = HashSet::new();
    let mut read = Vec::new();
    let mut faults: Option<Error> = None;
    for field in &fields.named {
        let Some(name) = &field.ident else { continue };
        let rule = FieldRule::read(&name.to_string(), name.span(), &field.attrs).and_then(|rule| {
            let key = match &prefix {
                Some(prefix) => format!("{prefix}.{}", rule.key),
                None => rule.key.clone(),
            };
            let rule = FieldRule { key, ..rule };
            rule.check()?;
            if !keys.insert(rule.key.clone()) {
                let message = format!("two fields have the key {:?}", rule.key);
                return Err(Error::new(rule.span, message));
            }
            Ok(rule)
        });
        match rule {
            Ok(rule) => read.push(Field { name, handle: &field.ty, rule }),
            Err(fault) => match &mut faults {
                Some(faults) => faults.combine(fault),
                None => faults = Some(fault),
            },
        }
    }
    if let Some(faults) = faults {
        return Err(faults);
    }

    let name = &input.ident;
    let forms = read.iter().map(form);
    let rules = read.iter().map(rule);
    let handles = read.iter().map(|Field { name, handle, rule }| {
        let key = &rule.key;
        quote!(#name: <#handle as ::tophash_safemap::derive::Handle>::open(map, #key)?)
    });
    Ok(quote! {
        const _: () = {
            #(#forms)*

            #[automatically_derived]
            impl ::tophash_safemap::SchemaKeys for #name {
                fn schema() -> ::core::result::Result<
                    ::tophash_safemap::Schema,
                    ::tophash_safemap::SchemaError,
                > {
                    let builder = ::tophash_safemap::Schema::builder();
                    #(let builder = #rules;)*
                    builder.build()
                }

                fn open(
                    map: &::tophash_safemap::SafeMap,
                ) -> ::core::result::Result<Self, ::tophash_safemap::Error> {
                    ::core::result::Result::Ok(Self { #(#handles),* })
                }
            }
        };
    })
}

/// Asks that a pattern has a family as its handle, and a key has a key.
fn form(Field { handle, rule, .. }: &Field<'_>) -> TokenStream {
    let is_pattern = rule.is_pattern();
    let message = if is_pattern {
        format!("{:?} stands for many keys: its handle is a KeyFamily", rule.key)
    } else {
        format!("{:?} is one key: its handle is a Key", rule.key)
    };
    quote_spanned! {handle.span()=>
        const _: () = ::core::assert!(
            <#handle as ::tophash_safemap::derive::Handle>::IS_FAMILY == #is_pattern,
            #message
        );
    }
}

/// The builder with the rule of one more field.
fn rule(Field { handle, rule, .. }: &Field<'_>) -> TokenStream {
    let FieldRule { key, range, pattern, one_of, max_size, max_characters, ttl, idle, .. } = rule;
    let value =
        quote_spanned!(handle.span()=> <#handle as ::tophash_safemap::derive::Handle>::Value);
    let call = |function: &str, arguments: TokenStream| {
        let function = Ident::new(function, handle.span());
        quote_spanned! {handle.span()=>
            let made = ::tophash_safemap::derive::#function::<#value>(made, #arguments);
        }
    };
    let mut steps = TokenStream::new();
    if let Some(range) = range {
        steps.extend(quote_spanned! {handle.span()=>
            let made = ::tophash_safemap::derive::range::<#value, _>(made, #range);
        });
    }
    if let Some(pattern) = pattern {
        steps.extend(quote_spanned! {handle.span()=>
            let made = ::tophash_safemap::derive::pattern::<#value>(made, #pattern)?;
        });
    }
    if let Some(names) = one_of {
        steps.extend(call("one_of", quote!(&[#(#names),*])));
    }
    if let Some(size) = max_size {
        steps.extend(call("max_size", quote!(#size)));
    }
    if let Some(characters) = max_characters {
        steps.extend(call("max_characters", quote!(#characters)));
    }
    let required = rule.is_required.then(|| quote!(let made = made.required();));
    let time = |name: &str, millis: &Option<u64>| {
        let name = Ident::new(name, handle.span());
        millis.map(
            |millis| quote!(let made = made.#name(::core::time::Duration::from_millis(#millis));),
        )
    };
    let (ttl, idle) = (time("ttl", ttl), time("idle", idle));
    quote! {{
        let made = ::tophash_safemap::derive::value_type::<#value>();
        #steps
        let made = ::tophash_safemap::Rule::from(made);
        #required #ttl #idle
        builder.key(#key, made)
    }}
}
