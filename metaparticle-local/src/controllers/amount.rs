//! Amounts that are numbers or percentages.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// A number of pods, or a percentage of `total`.
pub(super) fn scaled(value: &IntOrString, total: i32, up: bool) -> i32 {
    match value {
        IntOrString::Int(value) => *value,
        IntOrString::String(text) => {
            let percent = text.strip_suffix('%').and_then(|it| it.parse::<i64>().ok());
            let hundredths = percent.unwrap_or_default() * i64::from(total);
            let rounded = if up {
                (hundredths + 99) / 100
            } else {
                hundredths / 100
            };
            i32::try_from(rounded).unwrap_or(i32::MAX)
        }
    }
}
