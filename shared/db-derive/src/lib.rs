//! `#[derive(Record)]`, which `yinyom_db` explains and exports.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Error, Field, Fields, Result, parse_macro_input};

/// See `yinyom_db::Record`.
#[proc_macro_derive(Record, attributes(record))]
pub fn record(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(input: &DeriveInput) -> Result<Tokens> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "only a struct is a record"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(&input.ident, "a record's fields have its columns' names"));
    };
    let name = &input.ident;
    let fields: Vec<Tokens> = fields.named.iter().map(read).collect::<Result<_>>()?;
    // Of each database, since a field can then be of any type that both can read.
    let rows = ["SqliteRow", "PgRow"].map(|row| syn::Ident::new(row, name.span()));
    Ok(rows
        .map(|row| {
            quote! {
                impl<'r> ::yinyom_db::record::Columns<'r, ::yinyom_db::record::#row> for #name {
                    fn read(
                        columns: &mut ::yinyom_db::record::Reader<'r, ::yinyom_db::record::#row>,
                    ) -> ::core::result::Result<Self, ::yinyom_db::record::Error> {
                        ::core::result::Result::Ok(Self { #(#fields,)* })
                    }
                }
            }
        })
        .into_iter()
        .collect())
}

fn read(field: &Field) -> Result<Tokens> {
    let name = &field.ident;
    let mut inner = false;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("record")) {
        attribute.parse_nested_meta(|meta| {
            inner = meta.path.is_ident("flatten");
            if inner { Ok(()) } else { Err(meta.error("there is only `flatten`")) }
        })?;
    }
    Ok(if inner {
        quote!(#name: ::yinyom_db::record::Columns::read(columns)?)
    } else {
        let column = name.to_token_stream().to_string();
        quote!(#name: columns.next(#column)?)
    })
}
