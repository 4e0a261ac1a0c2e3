//! SCIM filters of pingone-api.md §4.1: parser, what each listing supports, and evaluation on a JSON object. Must not know any
//! directory: membership clauses are asked from the caller.

use serde_json::Value;

/// A parsed filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Both sides hold.
    And(Box<Filter>, Box<Filter>),
    /// Either side holds.
    Or(Box<Filter>, Box<Filter>),
    /// Attribute, operator, literal.
    Compare(String, Op, Literal),
    /// `memberOfGroups[id eq "…"]`, direct members only if the flag is set.
    Member(String, bool),
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Eq,
    Sw,
    Co,
    Ew,
    Gt,
    Ge,
    Lt,
    Le,
    In,
}

/// A literal on the right side.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// Quoted text
    Text(String),
    /// true or false
    Bool(bool),
    /// A number
    Number(f64),
    /// `("a", "b")` after `in`
    List(Vec<String>),
}

/// Why a filter is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Not a filter at all
    Syntax,
    /// Known attribute that cannot be filtered, or operator that is not supported
    Unsupported(String),
    /// Attribute that the schema does not have
    UnknownAttribute(String),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    OpenBracket,
    CloseBracket,
    Comma,
}

const MAX_DEPTH: usize = 64;

/// Parses a filter. Operators and `and`/`or` are read in any case (pingone-api.md §4.1, D).
pub fn parse(text: &str) -> Result<Filter, Problem> {
    let mut parser = Parser {
        tokens: tokens(text)?.into_iter().peekable(),
        depth: 0,
    };
    let filter = parser.either()?;
    match parser.tokens.next() {
        None => Ok(filter),
        Some(_) => Err(Problem::Syntax),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, Problem> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(next) = chars.next() {
        let token = match next {
            c if c.is_whitespace() => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            '[' => Token::OpenBracket,
            ']' => Token::CloseBracket,
            ',' => Token::Comma,
            '"' => Token::Text(quoted(&mut chars)?),
            c if c.is_alphanumeric() || "._-:$+".contains(c) => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || "._-:$+".contains(*c)) {
                    word.push(c);
                }
                Token::Word(word)
            }
            _ => return Err(Problem::Syntax),
        };
        out.push(token);
    }
    Ok(out)
}

fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, Problem> {
    let mut text = String::new();
    loop {
        match chars.next() {
            Some('"') => return Ok(text),
            Some('\\') => text.push(chars.next().ok_or(Problem::Syntax)?),
            Some(c) => text.push(c),
            None => return Err(Problem::Syntax),
        }
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    depth: usize,
}

impl Parser {
    fn keyword(&mut self, word: &str) -> bool {
        self.tokens
            .next_if(|token| matches!(token, Token::Word(w) if w.eq_ignore_ascii_case(word)))
            .is_some()
    }

    fn expect(&mut self, token: &Token) -> Result<(), Problem> {
        self.tokens.next_if_eq(token).map(|_| ()).ok_or(Problem::Syntax)
    }

    fn either(&mut self) -> Result<Filter, Problem> {
        let mut left = self.both()?;
        while self.keyword("or") {
            left = Filter::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Filter, Problem> {
        let mut left = self.term()?;
        while self.keyword("and") {
            left = Filter::And(Box::new(left), Box::new(self.term()?));
        }
        Ok(left)
    }

    fn term(&mut self) -> Result<Filter, Problem> {
        if self.tokens.next_if_eq(&Token::Open).is_some() {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(Problem::Syntax);
            }
            let inner = self.either()?;
            self.depth -= 1;
            self.expect(&Token::Close)?;
            return Ok(inner);
        }
        let Some(Token::Word(path)) = self.tokens.next() else {
            return Err(Problem::Syntax);
        };
        if path.eq_ignore_ascii_case("not") {
            return Err(Problem::Unsupported("not".to_owned()));
        }
        if self.tokens.next_if_eq(&Token::OpenBracket).is_some() {
            return self.member(&path);
        }
        let Some(Token::Word(op)) = self.tokens.next() else {
            return Err(Problem::Syntax);
        };
        let op = operator(&op)?;
        Ok(Filter::Compare(path, op, self.literal(op)?))
    }

    fn member(&mut self, path: &str) -> Result<Filter, Problem> {
        let inner = self.either()?;
        self.expect(&Token::CloseBracket)?;
        if path != "memberOfGroups" {
            return Err(Problem::Unsupported(path.to_owned()));
        }
        match inner {
            Filter::Compare(name, Op::Eq, Literal::Text(id)) if name == "id" => Ok(Filter::Member(id, false)),
            Filter::And(left, right) => match (*left, *right) {
                (Filter::Compare(a, Op::Eq, Literal::Text(x)), Filter::Compare(b, Op::Eq, Literal::Text(y))) => {
                    let (id, kind) = match (a.as_str(), b.as_str()) {
                        ("id", "type") => (x, y),
                        ("type", "id") => (y, x),
                        _ => return Err(Problem::Unsupported(path.to_owned())),
                    };
                    if kind.eq_ignore_ascii_case("DIRECT") {
                        Ok(Filter::Member(id, true))
                    } else {
                        Err(Problem::Unsupported("type".to_owned()))
                    }
                }
                _ => Err(Problem::Unsupported(path.to_owned())),
            },
            _ => Err(Problem::Unsupported(path.to_owned())),
        }
    }

    fn literal(&mut self, op: Op) -> Result<Literal, Problem> {
        if op == Op::In {
            return self.list();
        }
        match self.tokens.next() {
            Some(Token::Text(text)) => Ok(Literal::Text(text)),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("true") => Ok(Literal::Bool(true)),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("false") => Ok(Literal::Bool(false)),
            Some(Token::Word(word)) => word.parse().map(Literal::Number).map_err(|_| Problem::Syntax),
            _ => Err(Problem::Syntax),
        }
    }

    fn list(&mut self) -> Result<Literal, Problem> {
        self.expect(&Token::Open)?;
        let mut items = Vec::new();
        loop {
            let Some(Token::Text(item)) = self.tokens.next() else {
                return Err(Problem::Syntax);
            };
            items.push(item);
            match self.tokens.next() {
                Some(Token::Comma) => {}
                Some(Token::Close) => return Ok(Literal::List(items)),
                _ => return Err(Problem::Syntax),
            }
        }
    }
}

fn operator(word: &str) -> Result<Op, Problem> {
    match word.to_ascii_lowercase().as_str() {
        "eq" => Ok(Op::Eq),
        "sw" => Ok(Op::Sw),
        "co" => Ok(Op::Co),
        "ew" => Ok(Op::Ew),
        "gt" => Ok(Op::Gt),
        "ge" => Ok(Op::Ge),
        "lt" => Ok(Op::Lt),
        "le" => Ok(Op::Le),
        "in" => Ok(Op::In),
        "ne" | "pr" | "not" => Err(Problem::Unsupported(word.to_ascii_lowercase())),
        _ => Err(Problem::Syntax),
    }
}

/// Text attributes of users that take eq, sw, co and ew (pingone-api.md §4.1, D?/S).
const USER_TEXT: [&str; 24] = [
    "accountId",
    "address.streetAddress",
    "address.locality",
    "address.region",
    "address.postalCode",
    "address.countryCode",
    "email",
    "externalId",
    "locale",
    "mobilePhone",
    "name.formatted",
    "name.given",
    "name.middle",
    "name.family",
    "name.honorificPrefix",
    "name.honorificSuffix",
    "nickname",
    "photo.href",
    "preferredLanguage",
    "primaryPhone",
    "timezone",
    "title",
    "type",
    "username",
];

/// Attributes that users have but that no filter takes.
const USER_UNFILTERED: [&str; 11] = [
    "updatedAt",
    "createdAt",
    "identityProvider.type",
    "identityProvider.id",
    "lastSignOn.at",
    "lastSignOn.remoteIp",
    "lifecycle.status",
    "mfaEnabled",
    "account.status",
    "account.canAuthenticate",
    "verifyStatus",
];

/// Checks a filter of the users listing; `custom` tells whether the schema has a custom attribute of that name.
pub fn check_users(filter: &Filter, custom: &dyn Fn(&str) -> bool) -> Result<(), Problem> {
    each_compare(filter, &mut |path, op, _| {
        let text = matches!(op, Op::Eq | Op::Sw | Op::Co | Op::Ew);
        match path {
            "id" | "population.id" | "enabled" if op == Op::Eq => Ok(()),
            "id" | "population.id" | "enabled" => Err(Problem::Unsupported(path.to_owned())),
            _ if USER_UNFILTERED.contains(&path) => Err(Problem::Unsupported(path.to_owned())),
            _ if USER_TEXT.contains(&path) || custom(path) => {
                if text {
                    Ok(())
                } else {
                    Err(Problem::Unsupported(path.to_owned()))
                }
            }
            _ => Err(Problem::UnknownAttribute(path.to_owned())),
        }
    })
}

/// Checks a filter of another listing against (attribute, operators) pairs; membership clauses only where `members`.
pub fn check_listed(filter: &Filter, supported: &[(&str, &[Op])], members: bool) -> Result<(), Problem> {
    if !members && has_member(filter) {
        return Err(Problem::Unsupported("memberOfGroups".to_owned()));
    }
    each_compare(filter, &mut |path, op, _| {
        let known = supported.iter().find(|(name, _)| *name == path);
        match known {
            Some((_, ops)) if ops.contains(&op) => Ok(()),
            _ => Err(Problem::Unsupported(path.to_owned())),
        }
    })
}

/// Calls `visit` for each comparison; the first error ends the walk.
pub fn each_compare(
    filter: &Filter,
    visit: &mut dyn FnMut(&str, Op, &Literal) -> Result<(), Problem>,
) -> Result<(), Problem> {
    match filter {
        Filter::And(left, right) | Filter::Or(left, right) => {
            each_compare(left, visit)?;
            each_compare(right, visit)
        }
        Filter::Compare(path, op, literal) => visit(path, *op, literal),
        Filter::Member(..) => Ok(()),
    }
}

/// Whether a membership clause occurs.
pub fn has_member(filter: &Filter) -> bool {
    match filter {
        Filter::And(left, right) | Filter::Or(left, right) => has_member(left) || has_member(right),
        Filter::Compare(..) => false,
        Filter::Member(..) => true,
    }
}

/// Whether a typed membership clause occurs.
pub fn has_direct(filter: &Filter) -> bool {
    match filter {
        Filter::And(left, right) | Filter::Or(left, right) => has_direct(left) || has_direct(right),
        Filter::Compare(..) => false,
        Filter::Member(_, direct) => *direct,
    }
}

/// Evaluates the filter on an object; `member` answers membership clauses (group id, direct only).
pub fn matches(filter: &Filter, object: &Value, member: &dyn Fn(&str, bool) -> bool) -> bool {
    match filter {
        Filter::And(left, right) => matches(left, object, member) && matches(right, object, member),
        Filter::Or(left, right) => matches(left, object, member) || matches(right, object, member),
        Filter::Member(group, direct) => member(group, *direct),
        Filter::Compare(path, op, literal) => {
            let found = path.split('.').try_fold(object, |value, key| value.get(key));
            match found {
                Some(Value::Array(items)) => items.iter().any(|item| compare(path, *op, item, literal)),
                Some(value) => compare(path, *op, value, literal),
                None => false,
            }
        }
    }
}

/// `username` and names compare without case (pingone-api.md §4.1, D/S), other texts exactly.
fn folds(path: &str) -> bool {
    path == "username" || path == "email" || path == "name" || path.starts_with("name.") || path.ends_with("id")
}

fn compare(path: &str, op: Op, value: &Value, literal: &Literal) -> bool {
    match (value, literal) {
        (Value::Bool(value), Literal::Bool(wanted)) => op == Op::Eq && value == wanted,
        (Value::Number(value), Literal::Number(wanted)) => value
            .as_f64()
            .is_some_and(|v| op == Op::Eq && (v - wanted).abs() < f64::EPSILON),
        (Value::String(value), Literal::List(items)) => op == Op::In && items.contains(value),
        (Value::String(value), Literal::Text(wanted)) if folds(path) => {
            compare_text(op, &value.to_lowercase(), &wanted.to_lowercase())
        }
        (Value::String(value), Literal::Text(wanted)) => compare_text(op, value, wanted),
        _ => false,
    }
}

fn compare_text(op: Op, value: &str, wanted: &str) -> bool {
    match op {
        Op::Eq => value == wanted,
        Op::Sw => value.starts_with(wanted),
        Op::Co => value.contains(wanted),
        Op::Ew => value.ends_with(wanted),
        Op::Gt => value > wanted,
        Op::Ge => value >= wanted,
        Op::Lt => value < wanted,
        Op::Le => value <= wanted,
        Op::In => false,
    }
}

/// The forms that a sync sends by the thousand, read without the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hot<'a> {
    /// `memberOfGroups[id eq "…"]`, with the type or not
    Member(&'a str, bool),
    /// `population.id eq "…"`
    Population(&'a str),
}

/// How many groups a filter names.
pub(crate) fn memberships(filter: &Filter) -> usize {
    match filter {
        Filter::And(left, right) | Filter::Or(left, right) => memberships(left) + memberships(right),
        Filter::Member(..) => 1,
        Filter::Compare(..) => 0,
    }
}

/// Reads a hot form; `None` sends the caller to [`parse`].
pub fn hot(text: &str) -> Option<Hot<'_>> {
    if let Some(rest) = text.strip_prefix("memberOfGroups[id eq \"") {
        let (id, rest) = rest.split_once('"')?;
        return match rest {
            "]" => Some(Hot::Member(id, false)),
            " and type eq \"DIRECT\"]" => Some(Hot::Member(id, true)),
            _ => None,
        };
    }
    let id = text.strip_prefix("population.id eq \"")?.strip_suffix('"')?;
    (!id.contains(['"', '\\'])).then_some(Hot::Population(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(text: &str) -> bool {
        let user = json!({"username": "Mara.L", "name": {"given": "Mara \"M\""}, "enabled": true, "type": "Employee",
            "tags": ["a", "b"], "title": "Head of x"});
        matches(&parse(text).unwrap(), &user, &|group, direct| group == "g1" && !direct)
    }

    #[test]
    fn point_19_filters_are_evaluated_as_written() {
        for (text, expected) in [
            ("username eq \"mara.l\"", true),
            ("username EQ \"MARA.L\"", true),
            ("title eq \"head of x\"", false),
            ("title sw \"Head\"", true),
            ("title ew \"x\" and enabled eq true", true),
            ("title co \"of\" AND enabled eq false", false),
            ("name.given eq \"Mara \\\"M\\\"\"", true),
            ("type eq \"x\" or type eq \"Employee\" and enabled eq false", false),
            ("(type eq \"x\" or type eq \"Employee\") and enabled eq true", true),
            ("memberOfGroups[id eq \"g1\"]", true),
            ("memberOfGroups[id eq \"g1\" and type eq \"DIRECT\"]", false),
            ("memberOfGroups[id eq \"g1\"] and memberOfGroups[id eq \"g2\"]", false),
            ("tags eq \"b\"", true),
            ("nickname eq \"x\"", false),
        ] {
            assert_eq!(holds(text), expected, "{text}");
        }
    }

    #[test]
    fn point_20_what_is_no_filter_is_refused() {
        for text in [
            "",
            "username",
            "username eq",
            "username eq \"x",
            "(username eq \"x\"",
            "username eq \"x\")",
            "=",
            "a xx \"b\"",
            "username eq \"x\" and",
            "memberOfGroups[id eq \"x\"",
            "x[id eq \"y\"]",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        for text in ["username ne \"x\"", "not (username eq \"x\")", "username pr"] {
            assert!(matches!(parse(text), Err(Problem::Unsupported(_))), "{text}");
        }
        assert_eq!(parse(&"(".repeat(5000)), Err(Problem::Syntax));
    }

    #[test]
    fn point_20_attributes_are_known_unsupported_or_unknown() {
        let check = |text: &str| check_users(&parse(text).unwrap(), &|name| name == "department");
        assert_eq!(check("department sw \"x\""), Ok(()));
        assert!(matches!(check("updatedAt gt \"2026\""), Err(Problem::Unsupported(_))));
        assert!(matches!(
            check("identityProvider.type eq \"SAML\""),
            Err(Problem::Unsupported(_))
        ));
        assert!(matches!(check("population.id sw \"x\""), Err(Problem::Unsupported(_))));
        assert!(matches!(check("shoeSize eq \"x\""), Err(Problem::UnknownAttribute(_))));
    }

    #[test]
    fn hot_forms_agree_with_the_parser() {
        for text in [
            "memberOfGroups[id eq \"g\"]",
            "memberOfGroups[id eq \"g\" and type eq \"DIRECT\"]",
        ] {
            let Some(Hot::Member(id, direct)) = hot(text) else {
                panic!("{text}")
            };
            assert_eq!(parse(text), Ok(Filter::Member(id.to_owned(), direct)));
        }
        assert_eq!(hot("population.id eq \"p\""), Some(Hot::Population("p")));
        assert_eq!(hot("population.id eq \"p\" or population.id eq \"q\""), None);
        assert_eq!(hot("memberOfGroups[id eq \"g\" and type eq \"INDIRECT\"]"), None);
    }
}
