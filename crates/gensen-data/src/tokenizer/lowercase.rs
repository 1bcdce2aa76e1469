/// Replaces the contents of `lowered` with `text` in lower case, like Moses's `lowercase.perl`.
///
/// Each character is mapped independently of its context by Unicode's full mapping: `İ` becomes two
/// characters, and a capital sigma becomes `σ` even at the end of a word.
///
/// ```
/// let mut lowered = String::new();
/// gensen_data::tokenizer::lowercase("Der ÄRGER des ΣΊΣΥΦΟΣ", &mut lowered);
/// assert_eq!(lowered, "der ärger des σίσυφοσ");
/// ```
pub fn lowercase(text: &str, lowered: &mut String) {
    lowered.clear();
    lowered.push_str(text);
    lowered.make_ascii_lowercase();
    let Some(first) = lowered.find(|c: char| !c.is_ascii()) else {
        return;
    };
    lowered.truncate(first);
    lowered.extend(text[first..].chars().flat_map(char::to_lowercase));
}
