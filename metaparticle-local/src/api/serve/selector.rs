//! Label and field selectors.

use serde_json::Value;

use super::{
    super::{failure::Failure, kinds::names, resource::Resource},
    query::Query,
};

/// Which objects a list or watch is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    labels: Vec<Requirement>,
    fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    rule: Rule,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Above(i64),
    Below(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    path: Vec<String>,
    value: String,
    equal: bool,
}

impl Selection {
    pub(super) fn of(query: &Query, resource: &'static Resource) -> Result<Self, Failure> {
        let labels = query.get("labelSelector").map_or(Ok(Vec::new()), labels)?;
        let fields = query
            .get("fieldSelector")
            .map_or(Ok(Vec::new()), |text| fields(text, resource))?;
        Ok(Self { labels, fields })
    }

    /// Only the object of this name.
    pub(super) fn named(mut self, name: &str) -> Self {
        let path = vec!["metadata".to_owned(), "name".to_owned()];
        self.fields.push(Field {
            path,
            value: name.to_owned(),
            equal: true,
        });
        self
    }

    /// Whether everything is selected.
    pub(super) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(super) fn contains(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels
            .iter()
            .all(|it| it.rule.holds(labels[&it.key].as_str()))
            && self
                .fields
                .iter()
                .all(|field| (field.read(object) == field.value) == field.equal)
    }
}

impl Field {
    /// The field as text; what is absent is empty.
    fn read(&self, object: &Value) -> String {
        let value = self
            .path
            .iter()
            .fold(object, |value, name| &value[name.as_str()]);
        match value {
            Value::String(text) => text.clone(),
            Value::Null
                if self
                    .path
                    .last()
                    .is_some_and(|it| matches!(it.as_str(), "hostNetwork" | "unschedulable")) =>
            {
                "false".into()
            }
            Value::Null
                if self
                    .path
                    .last()
                    .is_some_and(|it| matches!(it.as_str(), "successful" | "replicas")) =>
            {
                "0".into()
            }
            Value::Null => String::new(),
            other => other.to_string(),
        }
    }
}

impl Rule {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::In(allowed) => value.is_some_and(|value| allowed.iter().any(|it| it == value)),
            Self::NotIn(refused) => value.is_none_or(|value| !refused.iter().any(|it| it == value)),
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::Above(limit) => number().is_some_and(|value| value > *limit),
            Self::Below(limit) => number().is_some_and(|value| value < *limit),
        }
    }
}

/// `a=b,c!=d,e in (f,g),h,!i,j>1`
fn labels(text: &str) -> Result<Vec<Requirement>, Failure> {
    let mut tokens = Tokens::new(text);
    let mut all = Vec::new();
    if tokens.peek().is_none() {
        return Ok(all);
    }
    loop {
        all.push(requirement(&mut tokens)?);
        match tokens.next() {
            None => return Ok(all),
            Some(token) if token == "," => {}
            Some(other) => {
                return Err(unparsable(&format!(
                    "found '{other}', expected: ',' or 'end of string'"
                )));
            }
        }
    }
}

fn unparsable(what: &str) -> Failure {
    Failure::bad_request(format!("unable to parse requirement: {what}"))
}

fn requirement(tokens: &mut Tokens<'_>) -> Result<Requirement, Failure> {
    let is_absent = tokens.take("!");
    let key = match tokens.next() {
        Some(token) if !is_sign(&token) => token,
        other => {
            let found = other.unwrap_or_default();
            return Err(unparsable(&format!(
                "found '{found}', expected: identifier"
            )));
        }
    };
    let rule = if is_absent {
        Rule::Absent
    } else {
        rule(tokens)?
    };
    check(&key, &rule)?;
    Ok(Requirement { key, rule })
}

/// Keys and values are those that labels may have.
fn check(key: &str, rule: &Rule) -> Result<(), Failure> {
    let invalid = |field: &str, value: &str, problem: &str| {
        let value = Value::from(value);
        Err(unparsable(&format!(
            "{field}: Invalid value: {value}: {problem}"
        )))
    };
    if let Some(problem) = names::qualified(key).first() {
        return invalid("<nil>", key, problem);
    }
    let (Rule::In(values) | Rule::NotIn(values)) = rule else {
        return Ok(());
    };
    for (index, value) in values.iter().enumerate() {
        if let Some(problem) = names::label_value(value).first() {
            return invalid(&format!("values[{index}][{key}]"), value, problem);
        }
    }
    Ok(())
}

fn rule(tokens: &mut Tokens<'_>) -> Result<Rule, Failure> {
    match tokens.peek().as_deref() {
        None | Some(",") => return Ok(Rule::Exists),
        _ => {}
    }
    let operator = tokens.next().unwrap_or_default();
    let number = |text: String| {
        text.parse().map_err(|_| {
            unparsable(
                "values[0]: Invalid value: for 'Gt', 'Lt' operators, the value must be an integer",
            )
        })
    };
    Ok(match operator.as_str() {
        "=" | "==" => Rule::In(vec![tokens.value()]),
        "!=" => Rule::NotIn(vec![tokens.value()]),
        ">" => Rule::Above(number(tokens.value())?),
        "<" => Rule::Below(number(tokens.value())?),
        "in" => Rule::In(tokens.set()?),
        "notin" => Rule::NotIn(tokens.set()?),
        other => {
            let expected = "expected: in, notin, =, ==, !=, gt, lt";
            return Err(unparsable(&format!("found '{other}', {expected}")));
        }
    })
}

fn is_sign(token: &str) -> bool {
    matches!(token, "," | "(" | ")" | "=" | "==" | "!=" | "!" | ">" | "<")
}

struct Tokens<'a>(std::iter::Peekable<std::str::Chars<'a>>);

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self(text.chars().peekable())
    }

    fn peek(&self) -> Option<String> {
        Self(self.0.clone()).next()
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self.peek().is_some_and(|token| token == wanted);
        if found {
            self.next();
        }
        found
    }

    fn next(&mut self) -> Option<String> {
        while self.0.next_if(|it| it.is_whitespace()).is_some() {}
        let first = self.0.next()?;
        let mut token = String::from(first);
        match first {
            ',' | '(' | ')' | '<' | '>' => {}
            '=' | '!' => {
                if self.0.next_if_eq(&'=').is_some() {
                    token.push('=');
                }
            }
            _ => {
                let is_word = |it: &char| !it.is_whitespace() && !",()=!<>".contains(*it);
                while let Some(next) = self.0.next_if(is_word) {
                    token.push(next);
                }
            }
        }
        Some(token)
    }

    /// The value after an operator: a word, or nothing.
    fn value(&mut self) -> String {
        match self.peek() {
            Some(token) if !is_sign(&token) => self.next().unwrap_or_default(),
            _ => String::new(),
        }
    }

    /// `(a,b)`
    fn set(&mut self) -> Result<Vec<String>, Failure> {
        let found = |token: Option<String>| token.unwrap_or_default();
        if !self.take("(") {
            return Err(unparsable(&format!(
                "found '{}' expected: '('",
                found(self.peek())
            )));
        }
        let mut values = vec![self.value()];
        while self.take(",") {
            values.push(self.value());
        }
        if !self.take(")") {
            return Err(unparsable(&format!(
                "found '{}', expected: ',', ')' or identifier",
                found(self.peek())
            )));
        }
        Ok(values)
    }
}

/// Fields that can be selected by, besides name and namespace.
fn selectable(resource: &Resource) -> &'static [&'static str] {
    match resource.kind {
        "Pod" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        "Event" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        "Secret" => &["type"],
        "Namespace" => &["status.phase"],
        "Node" => &["spec.unschedulable"],
        "Service" => &["spec.clusterIP", "spec.type"],
        "Job" => &["status.successful"],
        "ReplicaSet" => &["status.replicas"],
        _ => &[],
    }
}

fn fields(text: &str, resource: &'static Resource) -> Result<Vec<Field>, Failure> {
    let terms = text.split(',').filter(|term| !term.is_empty());
    terms.map(|term| field(term, text, resource)).collect()
}

fn field(term: &str, text: &str, resource: &'static Resource) -> Result<Field, Failure> {
    let (name, value, equal) = if let Some((name, value)) = term.split_once("!=") {
        (name, value, false)
    } else if let Some((name, value)) = term.split_once("==") {
        (name, value, true)
    } else if let Some((name, value)) = term.split_once('=') {
        (name, value, true)
    } else {
        let message = format!("invalid selector: '{text}'; can't understand '{term}'");
        return Err(Failure::bad_request(message));
    };
    let known = name == "metadata.name"
        || (name == "metadata.namespace" && resource.namespaced)
        || selectable(resource).contains(&name);
    if !known {
        let message = match resource.kind {
            "Pod" | "Event" | "Secret" | "Namespace" | "Node" | "Service" | "Job"
            | "ReplicaSet" => {
                format!("field label not supported: {name}")
            }
            _ => format!(
                "\"{name}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
            ),
        };
        return Err(Failure::bad_request(message));
    }
    let path = if name == "source" {
        "source.component"
    } else {
        name
    };
    let path = path.split('.').map(str::to_owned).collect();
    Ok(Field {
        path,
        value: value.to_owned(),
        equal,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selects(text: &str) -> Vec<&'static str> {
        let requirements = labels(text).unwrap();
        let selection = Selection {
            labels: requirements,
            fields: Vec::new(),
        };
        let objects = [
            ("none", json!({"metadata": {}})),
            ("a1", json!({"metadata": {"labels": {"a": "1"}}})),
            ("a2", json!({"metadata": {"labels": {"a": "2", "b": ""}}})),
        ];
        objects
            .iter()
            .filter(|(_, object)| selection.contains(object))
            .map(|(name, _)| *name)
            .collect()
    }

    #[test]
    fn labels_are_selected_as_the_documentation_says() {
        assert_eq!(selects(""), ["none", "a1", "a2"]);
        assert_eq!(selects("a=1"), ["a1"]);
        assert_eq!(selects("a==1"), ["a1"]);
        assert_eq!(selects("a != 1"), ["none", "a2"]);
        assert_eq!(selects("a in (1, 2),b"), ["a2"]);
        assert_eq!(selects("a notin (1)"), ["none", "a2"]);
        assert_eq!(selects("!a"), ["none"]);
        assert_eq!(selects("b="), ["a2"]);
        assert_eq!(selects("a>1"), ["a2"]);
        assert_eq!(selects("a<2"), ["a1"]);
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in ["a b", "a in 1", "a in (1", "=a", ",", "a=1 b"] {
            assert_eq!(labels(text).unwrap_err().code, 400, "{text}");
        }
    }
}
