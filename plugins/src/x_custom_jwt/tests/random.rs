//! Whatever comes in, what goes out is one JSON object in which each name stands once.

use super::*;

/// Numbers that are the same in each run (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).expect("small")
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }

    /// Names of which the configuration, or the gateway, writes many itself.
    fn name(&mut self) -> String {
        const NAMES: [&str; 18] = [
            "iss",
            "iat",
            "exp",
            "nbf",
            "jti",
            "aud",
            "act",
            "client_id",
            "amr",
            "cnf",
            "sub",
            "added",
            "text",
            "list",
            "copied",
            "gone",
            "clientId",
            "\u{e9}\"\\\n",
        ];
        let name = serde_json::to_string(self.pick(&NAMES)).expect("JSON");
        match self.roll(4) {
            // The same name in another spelling.
            0 => name.replacen('i', "\\u0069", 1).replacen('a', "\\u0061", 1),
            _ => name,
        }
    }

    fn value(&mut self, depth: usize) -> String {
        const PLAIN: [&str; 14] = [
            "null",
            "true",
            "-0.0",
            "1e400",
            "123456789012345678901234567890",
            "\"\"",
            "\"a\"",
            "\"\\\"\"",
            "\"\\ud800\"",
            "\"\\udc00x\"",
            "\"${consumer.id}\"",
            "[]",
            "{}",
            "\"\u{2028}\u{7f}\"",
        ];
        match self.roll(if depth > 3 { 1 } else { 4 }) {
            0 | 1 => self.pick(&PLAIN).to_owned(),
            2 => format!("[{}]", (0..self.roll(3)).map(|_| self.value(depth + 1)).collect::<Vec<_>>().join(" ,")),
            _ => self.object(depth + 1),
        }
    }

    fn object(&mut self, depth: usize) -> String {
        let member = |dice: &mut Self| format!("{} :\n{}", dice.name(), dice.value(depth));
        format!("{{{}}}", (0..self.roll(8)).map(|_| member(self)).collect::<Vec<_>>().join(",\t"))
    }

    fn octets(&mut self) -> Vec<u8> {
        let most = if self.roll(3) == 0 { 256 } else { 0x7f };
        let mut octets: Vec<u8> =
            (0..self.roll(40)).map(|_| u8::try_from(self.roll(most)).expect("an octet")).collect();
        octets.retain(|octet| *octet >= b' ' && *octet != 0x7f);
        if self.roll(2) == 0 {
            octets
                .extend_from_slice(self.pick(&["\"", "\\", "\",\"iss\":\"x", "${request.path}", "\u{e9}"]).as_bytes());
        }
        octets
    }
}

fn handlers() -> Vec<Arc<dyn Handler>> {
    let add = json!({
        "added": "${claims.text}",
        "text": "a ${claims.added} ${request.header.x-said} \" ${request.query.q}",
        "list": ["${request.header.x-said}", { "x": "${claims.list}" }, "<${claims.sub}>"],
        "\u{e9}\"\\\n": "${claims.clientId}-${claims.act.sub}",
    });
    let claims = json!({ "add": add, "unverified": true, "copy": { "copied": ["act", "sub"], "sub": "copied" },
        "remove": ["gone"], "act": "nest", "amr": true });
    let all = json!({ "claims": claims, "not_before": 5, "audience": ["a", "b"] });
    let fewer =
        json!({ "claims": { "remove": ["jti", "act", "client_id", "aud", "nbf"], "add": { "cnf": "${claims.cnf}" } } });
    [json!({}), all, fewer].map(|fields| plugin(HS256, fields)).into()
}

#[tokio::test]
async fn each_name_stands_once_in_a_token_whatever_comes_in() {
    let handlers = handlers();
    let mut dice = Dice(0x5167_6e65_7400_0004);
    let mut rich = 0;
    for turn in 0..3000 {
        let body = dice.object(0);
        let members = body.strip_suffix('}').filter(|members| *members != "{").map(|members| format!("{members},"));
        let incoming = format!("{}\"clientId\":\"c\"}}", members.as_deref().unwrap_or("{"));
        let claims = Claims::parse(incoming.as_bytes()).unwrap_or_else(|error| panic!("{error}: {incoming}"));
        let query: String = form_urlencoded::byte_serialize(&dice.octets()).collect();
        let mut exchange = Exchange::get(&format!("/p?q={query}")).header("x-said", dice.octets());
        exchange.cx.authenticate(identity(Proof::Token { claims: Arc::new(claims) }));
        let payload = part(&token(&handlers[turn % handlers.len()], exchange).await, 1);
        let unique = Claims::parse_unique(payload.as_bytes())
            .unwrap_or_else(|error| panic!("{error} in {payload} of {incoming}"));
        for ours in ["iss", "iat", "exp"] {
            assert!(unique.get(ours).is_some(), "{payload}");
        }
        assert_eq!(
            unique.get("iss").map(|iss| iss.get()),
            Some("\"https://kong-gateway:8443/x-custom-jwt\""),
            "{payload}"
        );
        rich += usize::from(unique.get("text").is_some_and(|text| text.get().starts_with("\"a ")));
    }
    assert!(rich > 20, "templates were filled in only {rich} times");
}
