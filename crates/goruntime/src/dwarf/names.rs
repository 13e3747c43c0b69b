//! DWARF spells types with full package paths, `reflect` with the last element alone.

/// Rewrites a DWARF type name as `reflect` prints it:
/// `map[string]*example.com/shop/cart.Item` becomes `map[string]*cart.Item`.
///
/// Type arguments keep their full paths in both.
pub fn reflect_name(dwarf: &str) -> String {
    let mut out = String::with_capacity(dwarf.len());
    let mut word = 0;
    let mut depth = 0_u32;
    let mut after_identifier = false;
    for c in dwarf.chars() {
        match c {
            '[' => {
                // A bracket after an identifier that is not `map` opens type arguments.
                if after_identifier && !out.ends_with("map") {
                    depth += 1;
                }
                out.push(c);
                word = out.len();
            }
            ']' => {
                depth = depth.saturating_sub(1);
                out.push(c);
                word = out.len();
            }
            '/' if depth == 0 => {
                out.truncate(word);
            }
            c => {
                out.push(c);
                let is_path = c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '~' | '%');
                if !is_path {
                    word = out.len();
                }
            }
        }
        after_identifier = c.is_alphanumeric() || c == '_';
    }
    out
}

#[cfg(test)]
mod tests {
    use super::reflect_name;

    #[test]
    fn package_paths_keep_their_last_element() {
        for (dwarf, reflect) in [
            ("map[string]*example.com/shop/cart.Item", "map[string]*cart.Item"),
            ("[]net/http.Header", "[]http.Header"),
            ("func(*net/http.Request) error", "func(*http.Request) error"),
            ("main.Set[int]", "main.Set[int]"),
            ("main.Set[example.com/a/b.T]", "main.Set[example.com/a/b.T]"),
            ("[8]uint8", "[8]uint8"),
        ] {
            assert_eq!(reflect_name(dwarf), reflect);
        }
    }
}
