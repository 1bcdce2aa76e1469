/// Replaces the contents of `lowered` by `text` in lower case, as the Moses program
/// `lowercase.perl` does.
///
/// Every character is mapped by itself (Unicode's full mapping, so `İ` becomes two characters);
/// a capital sigma becomes `σ` at the end of a word too.
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
