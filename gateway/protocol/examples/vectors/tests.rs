//! The venue's own messages pass, and each kind of difference is seen to fail.

use serde_json::{Value, json};

use crate::runner::{Outcome, run};

fn file() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/okx.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Changes the vector of that name and runs it alone.
fn run_changed(name: &str, change: impl FnOnce(&mut Value)) -> (Outcome, String) {
    let mut file = file();
    let vectors = file["vectors"].as_array_mut().unwrap();
    vectors.retain(|vector| vector["name"] == name);
    assert_eq!(vectors.len(), 1, "{name}");
    change(&mut vectors[0]);
    let report = run(&file.to_string());
    assert_eq!(report.passed + report.failed, report.total);
    (report.outcome(), report.lines.join("\n"))
}

fn assert_fails(name: &str, reason: &str, change: impl FnOnce(&mut Value)) {
    let (outcome, lines) = run_changed(name, change);
    assert_eq!(outcome, Outcome::Failed, "{lines}");
    assert!(lines.contains(reason), "{lines} lacks {reason}");
}

fn assert_unknown(name: &str, what: &str, change: impl FnOnce(&mut Value)) {
    let (outcome, lines) = run_changed(name, change);
    assert_eq!(outcome, Outcome::Unknown, "{lines}");
    assert!(lines.contains(what), "{lines} lacks {what}");
}

fn assert_passes(name: &str, change: impl FnOnce(&mut Value)) {
    let (outcome, lines) = run_changed(name, change);
    assert_eq!(outcome, Outcome::Passed, "{lines}");
}

const SWAP: &str = "okx-rest-place-limit-swap";
const CCXT: &str = "okx-ccxt-create-limit-swap";
const WS: &str = "okx-ws-place";

/// Changes `frame_json` and `frame` alike.
fn set_frame(vector: &mut Value, change: impl FnOnce(&mut Value)) {
    change(&mut vector["expected"]["frame_json"]);
    vector["expected"]["frame"] = json!(vector["expected"]["frame_json"].to_string());
}

fn set_body(vector: &mut Value, change: impl FnOnce(&mut Value)) {
    change(&mut vector["expected"]["body_json"]);
    vector["expected"]["body"] = json!(vector["expected"]["body_json"].to_string());
}

#[test]
fn every_message_of_the_venues_own_clients_passes() {
    let report = run(&file().to_string());
    assert_eq!(report.outcome(), Outcome::Passed, "{:#?}", report.lines);
    assert_eq!((report.total, report.passed, report.failed), (25, 25, 0));
}

#[test]
fn a_wrong_signature_or_another_text_to_sign_fails() {
    assert_fails(SWAP, "signature: ours is", |vector| {
        vector["expected"]["signature"] = json!("9QMJ4O/XacP0JMnby402c/xETyBnuSM4BryXnXZVoQB=");
    });
    assert_fails(SWAP, "signature: ours is", |vector| {
        vector["expected"]["string_to_sign"] = json!("x");
    });
    assert_fails(SWAP, "signature is not given", |vector| {
        vector["expected"]
            .as_object_mut()
            .unwrap()
            .remove("signature");
    });
    assert_fails(WS, "string_to_sign is not given", |vector| {
        vector["checks"] = json!(["signature"]);
    });
    assert_fails(SWAP, "signature: ours is", |vector| {
        vector["args"]["credentials"]["api_secret"] = json!("another-secret");
    });
    assert_fails("okx-ws-login", "sign is", |vector| {
        vector["args"]["timestamp_s"] = json!(1_760_000_001);
        set_frame(vector, |frame| {
            frame["args"][0]["timestamp"] = json!(1_760_000_001)
        });
    });
}

#[test]
fn another_method_path_query_or_header_fails() {
    let open = "okx-rest-get-orders-pending";
    assert_fails(open, "method is GET", |vector| {
        vector["expected"]["method"] = json!("POST")
    });
    assert_fails(open, "path is", |vector| {
        vector["expected"]["path"] = json!("/api/v5/x")
    });
    assert_fails(open, "query is", |vector| {
        vector["args"]["limit"] = json!(51)
    });
    assert_fails(open, "query and query_pairs", |vector| {
        vector["expected"]["query"] = json!("instType=SWAP");
    });
    assert_fails(open, "header OK-ACCESS-KEY is", |vector| {
        vector["expected"]["headers"]["OK-ACCESS-KEY"] = json!("other");
    });
    assert_fails(open, "header X-NEW is missing", |vector| {
        vector["expected"]["headers"]["X-NEW"] = json!("1");
    });
    assert_fails(open, "header OK-ACCESS-TIMESTAMP is", |vector| {
        vector["args"]["timestamp_ms"] = json!(1_760_000_000_124_u64);
    });
    assert_fails(open, "header X-SIMULATED-TRADING is missing", |vector| {
        vector["library_added"] = json!(["header:CONTENT-TYPE"]);
    });
    assert_fails(open, "header X-SIMULATED-TRADING is 1", |vector| {
        vector["args"]["simulated_trading"] = json!(true);
    });
    assert_passes(open, |vector| {
        vector["expected"]["headers"]["OK-ACCESS-SIGN"] = json!("only its presence counts");
        vector["expected"]["query_pairs"] =
            json!([["limit", "50"], ["instType", "SWAP"], ["state", "live"]]);
        vector["expected"]["query"] = json!("limit=50&instType=%53WAP&state=live");
    });
}

#[test]
fn another_member_value_type_or_order_fails() {
    assert_fails(CCXT, "[0].px is", |vector| {
        vector["args"]["orders"][0]["px"] = json!("64123.6")
    });
    assert_fails(CCXT, "[0].px is missing", |vector| {
        vector["args"]["orders"][0]
            .as_object_mut()
            .unwrap()
            .remove("px");
    });
    assert_fails(CCXT, "[0].tag is \"t\", expected nothing", |vector| {
        vector["args"]["orders"][0]["tag"] = json!("t");
    });
    assert_fails(
        CCXT,
        "[0].reduceOnly is false, expected nothing",
        |vector| {
            vector["args"]["orders"][0]["reduce_only"] = json!(false);
        },
    );
    assert_fails(CCXT, "message has 1 elements", |vector| {
        set_body(vector, |body| body.as_array_mut().unwrap().clear());
    });
    assert_fails(CCXT, "body and body_json", |vector| {
        vector["expected"]["body"] = json!("[]");
    });
    assert_fails(WS, "instIdCode is 10459", |vector| {
        set_frame(vector, |frame| {
            frame["args"][0]["instIdCode"] = json!("10459")
        });
    });
    assert_fails(WS, "sz is \"0.25\"", |vector| {
        set_frame(vector, |frame| frame["args"][0]["sz"] = json!(0.25));
    });
    assert_fails("okx-rest-batch-place", "[0].side", |vector| {
        set_body(vector, |body| body.as_array_mut().unwrap().swap(0, 1));
    });
    assert_fails("okx-rest-get-balance-all", "ours has no body", |vector| {
        vector["expected"]["body"] = json!("{}");
    });
    assert_fails(CCXT, "no body is expected", |vector| {
        let expected = vector["expected"].as_object_mut().unwrap();
        expected.remove("body");
        expected.remove("body_json");
    });
}

#[test]
fn what_is_equal_by_the_rules_passes() {
    assert_passes(WS, |vector| {
        set_frame(vector, |frame| frame["args"][0]["sz"] = json!("0.2500"));
    });
    assert_passes(WS, |vector| {
        set_frame(vector, |frame| frame["args"][0]["ccy"] = json!(""));
    });
    assert_passes(WS, |vector| {
        vector["args"]["order"]["reduce_only"] = json!(true);
        set_frame(vector, |frame| {
            frame["args"][0]["reduceOnly"] = json!("True")
        });
    });
    assert_passes(WS, |vector| {
        vector["args"]["order"]["cl_ord_id"] = json!("an-id_we.would/never\"mint");
        set_frame(vector, |frame| {
            frame["args"][0]["clOrdId"] = json!("an-id_we.would/never\"mint");
        });
    });
    assert_passes(SWAP, |vector| {
        vector["args"]["order"]["reduce_only"] = json!(false)
    });
    assert_fails(SWAP, "reduceOnly is true, expected nothing", |vector| {
        vector["args"]["order"]["reduce_only"] = json!(true);
    });
    assert_fails(SWAP, "tag is \"other\", expected nothing", |vector| {
        vector["args"]["order"]["tag"] = json!("other");
    });
    assert_passes("okx-ws-login", |vector| {
        set_frame(vector, |frame| {
            frame["args"][0]["timestamp"] = json!("1760000000")
        });
    });
    assert_passes(SWAP, |vector| {
        vector["checks"] = json!([]);
        vector["expected"]["signature"] = json!("not compared");
    });
    assert_passes("okx-rest-batch-place", |vector| {
        vector["args"]["orders"][0]["attach_algo_ords"] =
            json!([{"tp_trigger_px": "70000", "tp_ord_px": "-1"}, {"sl_ord_px": "60000"}]);
        set_body(vector, |body| {
            body[0]["attachAlgoOrds"] =
                json!([{"tpTriggerPx": "70000.0", "tpOrdPx": "-1"}, {"slOrdPx": "60000"}]);
        });
    });
}

#[test]
fn what_is_not_known_is_named_and_never_passed() {
    assert_unknown(WS, "operation ws_dance", |vector| {
        vector["operation"] = json!("ws_dance")
    });
    assert_unknown(WS, "arg mood of ws_place_order", |vector| {
        vector["args"]["mood"] = json!("good");
    });
    assert_unknown(WS, "arg banAmend of order", |vector| {
        vector["args"]["order"]["banAmend"] = json!(true);
    });
    assert_unknown(WS, "arg sz of order is missing", |vector| {
        vector["args"]["order"]
            .as_object_mut()
            .unwrap()
            .remove("sz");
    });
    assert_unknown(WS, "type of arg sz of order: not dec", |vector| {
        vector["args"]["order"]["sz"] = json!("lots");
    });
    assert_unknown(WS, "type of arg sz of order: not text", |vector| {
        vector["args"]["order"]["sz"] = json!(0.25);
    });
    assert_unknown(WS, "type of arg inst_id_code of order: not int", |vector| {
        vector["args"]["order"]["inst_id_code"] = json!("10459");
    });
    assert_unknown("okx-ws-cancel", "ord_id beside cl_ord_id", |vector| {
        vector["args"]["order"]["ord_id"] = json!("1");
    });
    assert_unknown(WS, "check amounts", |vector| {
        vector["checks"] = json!(["encode", "amounts"])
    });
    assert_unknown(WS, "member public_key of expected", |vector| {
        vector["expected"]["public_key"] = json!("x");
    });
    assert_unknown(WS, "member extra of vector", |vector| {
        vector["extra"] = json!(1)
    });
    assert_unknown(WS, "checks is not a list", |vector| {
        vector.as_object_mut().unwrap().remove("checks");
    });
}

#[test]
fn a_file_of_another_form_or_venue_is_not_known() {
    for (change, what) in [
        (json!({"format": 3}), "format 3"),
        (json!({"format": null}), "format null"),
        (json!({"extra": 1}), "member extra of file"),
        (json!({"vectors": {}}), "vectors is not a list"),
        (json!({"venue": 7}), "venue is not text"),
        (
            json!({"venue": "bybit"}),
            "operation rest_get_balance of venue bybit",
        ),
    ] {
        let mut file = file();
        for (name, value) in change.as_object().unwrap() {
            file[name] = value.clone();
        }
        let report = run(&file.to_string());
        assert_eq!(report.outcome(), Outcome::Unknown);
        assert_eq!(report.passed, 0);
        assert!(report.lines[0].contains(what), "{}", report.lines[0]);
    }
    assert_eq!(run("{").outcome(), Outcome::Unknown);
}
