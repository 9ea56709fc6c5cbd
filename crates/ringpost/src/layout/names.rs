//! What members may be called: what C and C++ permit, because a header is made of it.

/// What every C compiler tells apart.
const LEN_MAX: usize = 63;

/// Of C and C++, with the macros of `<stdbool.h>`, and what compilers for Linux define besides.
#[rustfmt::skip]
const TAKEN: &[&str] = &[
    "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break",
    "case", "catch", "char", "char16_t", "char32_t", "char8_t", "class", "co_await", "co_return",
    "co_yield", "compl", "concept", "const", "const_cast", "consteval", "constexpr", "constinit",
    "continue", "decltype", "default", "delete", "do", "double", "dynamic_cast", "else", "enum",
    "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if", "inline",
    "int", "linux", "long", "mutable", "namespace", "new", "noexcept", "not", "not_eq", "nullptr",
    "operator", "or", "or_eq", "private", "protected", "public", "register", "reinterpret_cast",
    "requires", "restrict", "return", "short", "signed", "sizeof", "static", "static_assert",
    "static_cast", "struct", "switch", "template", "this", "thread_local", "throw", "true", "try",
    "typedef", "typeid", "typename", "typeof", "typeof_unqual", "union", "unix", "unsigned",
    "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq",
];

/// Whether a member can have this name in C and C++. A keyword of Rust comes as `r#type`.
#[doc(hidden)]
pub const fn is_name(name: &str) -> bool {
    let name = without_mark(name.as_bytes());
    if name.is_empty() || name.len() > LEN_MAX || name[0].is_ascii_digit() {
        return false;
    }
    let mut at = 0;
    while at < name.len() {
        let is_after_mark = at > 0 && name[at - 1] == b'_';
        // Two of them anywhere, or one and a capital at the beginning, are reserved.
        let is_reserved =
            is_after_mark && (name[at] == b'_' || at == 1 && name[at].is_ascii_uppercase());
        if !(name[at].is_ascii_alphanumeric() || name[at] == b'_') || is_reserved {
            return false;
        }
        at += 1;
    }
    let mut word = 0;
    while word < TAKEN.len() {
        if is_same(name, TAKEN[word].as_bytes()) {
            return false;
        }
        word += 1;
    }
    true
}

/// Whether this is what the number of items of that list is called in C.
#[doc(hidden)]
pub const fn is_count_name(count: &str, list: &str) -> bool {
    let (count, list) = (count.as_bytes(), without_mark(list.as_bytes()));
    match count.split_at_checked(list.len()) {
        Some((name, rest)) => is_same(name, list) && is_same(rest, b"_count"),
        None => false,
    }
}

const fn without_mark(name: &[u8]) -> &[u8] {
    match name {
        [b'r', b'#', name @ ..] => name,
        _ => name,
    }
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}
