"""What python-okx is asked to do against the simulator, and what must come of it.

Run by `run.py` inside the pinned environment: `scenario.py ADDRESS ACCOUNTS_JSON`. The last line of
output is a JSON object with the number of checks, passed and failed.
"""

import asyncio
import json
import sys
import time
from decimal import Decimal

from okx.Account import AccountAPI
from okx.Funding import FundingAPI
from okx.MarketData import MarketAPI
from okx.PublicData import PublicAPI
from okx.Trade import TradeAPI
from okx.websocket.WsPrivateAsync import WsPrivateAsync
from okx.websocket.WsPublicAsync import WsPublicAsync

SWAP = "BTC-USDT-SWAP"
SPOT = "ETH-USDT"

ORDER_PUSH_FIELDS = set(
    """instType instId tgtCcy ccy ordId clOrdId tag px pxUsd pxVol pxType sz notionalUsd ordType side
    posSide tdMode fillPx tradeId fillSz fillPnl fillTime fillFee fillFeeCcy fillPxVol fillPxUsd
    fillMarkVol fillFwdPx fillMarkPx fillIdxPx fillNotionalUsd execType accFillSz avgPx state lever
    attachAlgoClOrdId tpTriggerPx tpTriggerPxType tpOrdPx slTriggerPx slTriggerPxType slOrdPx
    attachAlgoOrds linkedAlgoOrd stpId stpMode feeCcy fee rebateCcy rebate pnl source cancelSource
    amendSource category isTpLimit uTime cTime reqId amendResult reduceOnly quickMgnType algoClOrdId
    algoId lastPx code msg tradeQuoteCcy""".split()
)
INSTRUMENT_FIELDS = set(
    """instType instId instIdCode uly instFamily groupId category baseCcy quoteCcy settleCcy ctVal
    ctMult ctValCcy ctType optType stk listTime expTime contTdSwTime preMktSwTime auctionEndTime
    openType lever tickSz lotSz minSz alias state ruleType maxLmtSz maxMktSz maxLmtAmt maxMktAmt
    maxTwapSz maxIcebergSz maxTriggerSz maxStopSz futureSettlement tradeQuoteCcyList instCategory
    upcChg""".split()
)
FILL_FIELDS = set(
    """side fillSz fillPx fillPxVol fillFwdPx fee fillPnl ordId feeRate instType fillPxUsd instId
    clOrdId posSide billId subType fillMarkVol tag fillTime execType fillIdxPx tradeId fillMarkPx
    feeCcy ts tradeQuoteCcy""".split()
)


class Checks:
    """Counts what held and prints what did not."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def equal(self, name, found, expected):
        self.true(name, found == expected, f"expected {expected!r}, found {found!r}")

    def true(self, name, holds, detail=""):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {name}: {detail}"[:2000])


class Venue:
    """The client's own API objects, pointed at the simulator."""

    def __init__(self, address, keys):
        base = f"https://{address}"
        login = (keys["apiKey"], keys["secret"], keys["passphrase"])
        options = {"flag": "0", "domain": base}
        self.account = AccountAPI(*login, **options)
        self.trade = TradeAPI(*login, **options)
        self.funding = FundingAPI(*login, **options)
        self.public = PublicAPI(**options)
        self.market = MarketAPI(**options)
        self.keys = keys
        self.sockets = f"wss://{address}/ws/v5"


class Feed:
    """Everything a WebSocket said, and waiting for something it must say."""

    def __init__(self):
        self.messages = []

    def take(self, text):
        self.messages.append(json.loads(text) if text.startswith("{") else text)

    async def until(self, wanted, seconds=5.0):
        deadline = time.monotonic() + seconds
        seen = 0
        while time.monotonic() < deadline:
            while seen < len(self.messages):
                if isinstance(self.messages[seen], dict) and wanted(self.messages[seen]):
                    return self.messages[seen]
                seen += 1
            await asyncio.sleep(0.01)
        return {}

    async def reply(self, request_id):
        return await self.until(lambda message: message.get("id") == request_id)

    async def order(self, client_order_id, state):
        def wanted(message):
            return message.get("arg", {}).get("channel") == "orders" and any(
                row["clOrdId"] == client_order_id and row["state"] == state
                for row in message.get("data", [])
            )

        message = await self.until(wanted)
        rows = [row for row in message.get("data", []) if row["clOrdId"] == client_order_id]
        return rows[0] if rows else {}

    def pushes(self, channel):
        return [
            message
            for message in self.messages
            if isinstance(message, dict)
            and message.get("arg", {}).get("channel") == channel
            and "data" in message
        ]


def first(answer):
    return (answer.get("data") or [{}])[0]


def away(market, instrument, side, tick):
    """A price on the tick, 2 % from the market, that does not trade soon."""
    last = Decimal(first(market.get_ticker(instrument))["last"])
    factor = Decimal("0.98") if side == "buy" else Decimal("1.02")
    price = (last * factor / Decimal(tick)).to_integral_value() * Decimal(tick)
    return format(price.normalize(), "f")


def check_reference(venue, checks):
    ts = int(first(venue.public.get_system_time())["ts"])
    checks.true("time", abs(ts - time.time() * 1000) < 5000, ts)
    for kind, least in (("SPOT", 4), ("SWAP", 8), ("MARGIN", 1), ("FUTURES", 1)):
        for source in (venue.public, venue.account):
            answer = source.get_instruments(instType=kind)
            rows = answer["data"]
            checks.true(f"{kind} instruments", len(rows) >= least, len(rows))
            missing = [INSTRUMENT_FIELDS - set(row) for row in rows]
            checks.true(f"{kind} fields", not any(missing), missing[:1])
    checks.equal("options", venue.public.get_instruments("OPTION", instFamily="BTC-USD")["code"], "0")
    swap = first(venue.public.get_instruments("SWAP", instId=SWAP))
    checks.equal("swap rules", (swap["tickSz"], swap["ctVal"], swap["settleCcy"]),
                 ("0.1", "0.01", "USDT"))
    config = first(venue.account.get_account_config())
    checks.equal("config", (config["posMode"], config["acctLv"]), ("net_mode", "2"))
    fees = first(venue.account.get_fee_rates("SWAP", instId=SWAP))
    checks.equal("fees", (fees["maker"], fees["taker"]), ("-0.0002", "-0.0005"))
    currencies = {row["ccy"] for row in venue.funding.get_currencies()["data"]}
    checks.true("currencies", {"BTC", "USDT"} <= currencies, currencies)
    balance = first(venue.account.get_account_balance("USDT"))
    checks.equal("balance", [row["ccy"] for row in balance["details"]], ["USDT"])
    checks.equal("no positions yet", venue.account.get_positions()["data"], [])
    book = first(venue.market.get_orderbook(SWAP, sz="5"))
    bid, ask = Decimal(book["bids"][0][0]), Decimal(book["asks"][0][0])
    checks.true("book is not crossed", bid < ask, (bid, ask))
    mode = venue.account.set_position_mode("net_mode")
    checks.equal("position mode", first(mode).get("posMode"), "net_mode")
    checks.equal("leverage", first(venue.account.set_leverage("5", "cross", SWAP))["lever"], "5")
    return int(swap["instIdCode"])


def check_rest_orders(venue, checks):
    trade = venue.trade
    price = away(venue.market, SWAP, "buy", "0.1")
    placed = trade.place_order(SWAP, "cross", "buy", "limit", "0.5", px=price,
                               clOrdId="9000000000000000001", tag="t1")
    checks.equal("place", (placed["code"], first(placed)["sCode"], first(placed)["tag"]),
                 ("0", "0", "t1"))
    order_id = first(placed)["ordId"]
    order = first(trade.get_order(SWAP, ordId=order_id))
    checks.equal("order", (order["state"], order["px"], order["sz"], order["avgPx"]),
                 ("live", price, "0.5", ""))
    same = first(trade.get_order(SWAP, clOrdId="9000000000000000001"))
    checks.equal("order by client id", same["ordId"], order_id)
    pending = trade.get_order_list(instType="SWAP")["data"]
    checks.equal("pending", [row["ordId"] for row in pending], [order_id])
    twin = trade.place_order(SWAP, "cross", "buy", "limit", "0.5", px=price,
                             clOrdId="9000000000000000001")
    checks.equal("twin refused", (twin["code"], first(twin)["sCode"]), ("1", "51016"))
    amended = trade.amend_order(SWAP, ordId=order_id, newSz="0.7", reqId="rq1", cxlOnFail="false")
    checks.equal("amend", (first(amended)["sCode"], first(amended)["reqId"]), ("0", "rq1"))
    checks.equal("amended", first(trade.get_order(SWAP, ordId=order_id))["sz"], "0.7")
    cancelled = trade.cancel_order(SWAP, clOrdId="9000000000000000001")
    checks.equal("cancel", first(cancelled)["sCode"], "0")
    again = trade.cancel_order(SWAP, ordId=order_id)
    checks.equal("cancel again", (again["code"], first(again)["sCode"]), ("1", "51400"))
    gone = trade.amend_order(SWAP, ordId=order_id, newSz="1")
    checks.equal("amend gone", first(gone)["sCode"], "51503")
    reused = trade.place_order(SWAP, "cross", "buy", "limit", "0.1", px=price,
                               clOrdId="9000000000000000001")
    checks.equal("client id reused after the end", first(reused)["sCode"], "0")
    trade.cancel_order(SWAP, ordId=first(reused)["ordId"])
    history = trade.get_orders_history("SWAP")["data"]
    checks.equal("history, newest first", [row["ordId"] for row in history],
                 [first(reused)["ordId"], order_id])
    older = trade.get_orders_history("SWAP", after=first(reused)["ordId"])["data"]
    checks.equal("history after", [row["ordId"] for row in older], [order_id])
    unknown = trade.get_order(SWAP, clOrdId="nobody")
    checks.equal("unknown order", unknown["code"], "51603")


def check_rest_batches(venue, checks):
    trade = venue.trade
    price = away(venue.market, SWAP, "buy", "0.1")
    leg = {"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "limit", "px": price}
    batch = trade.place_multiple_orders([
        {**leg, "sz": "0.1", "clOrdId": "b1"},
        {**leg, "sz": "0.105", "clOrdId": "b2"},
    ])
    checks.equal("batch", (batch["code"], [row["sCode"] for row in batch["data"]]),
                 ("2", ["0", "51121"]))
    amended = trade.amend_multiple_orders([{"instId": SWAP, "clOrdId": "b1", "newSz": "0.2"}])
    checks.equal("batch amend", amended["code"], "0")
    cancelled = trade.cancel_multiple_orders([
        {"instId": SWAP, "clOrdId": "b1"},
        {"instId": SWAP, "clOrdId": "b2"},
    ])
    checks.equal("batch cancel", (cancelled["code"], [row["sCode"] for row in cancelled["data"]]),
                 ("2", ["0", "51400"]))


def check_rest_fills(venue, checks):
    trade = venue.trade
    taken = trade.place_order(SPOT, "cash", "buy", "market", "150", tgtCcy="quote_ccy", clOrdId="m1")
    checks.equal("market", first(taken)["sCode"], "0")
    order = first(trade.get_order(SPOT, clOrdId="m1"))
    checks.equal("market state", (order["state"], order["sz"], order["tgtCcy"]),
                 ("filled", "150", "quote_ccy"))
    fills = trade.get_fills(instType="SPOT", ordId=order["ordId"])["data"]
    checks.true("fills", len(fills) >= 1, fills)
    checks.true("fill fields", not FILL_FIELDS - set(fills[0]), FILL_FIELDS - set(fills[0]))
    quantity = sum(Decimal(row["fillSz"]) for row in fills)
    checks.equal("fill quantities", quantity, Decimal(order["accFillSz"]))
    fee = sum(Decimal(row["fee"]) for row in fills)
    checks.equal("fee is a thousandth, charged in base", (fee, order["feeCcy"]),
                 (-quantity / 1000, "ETH"))
    checks.equal("fee of the order", Decimal(order["fee"]), fee)


def check_rest_refusals(venue, checks, address):
    wrong = TradeAPI(venue.keys["apiKey"], "wrong", venue.keys["passphrase"], flag="0",
                     domain=f"https://{address}")
    checks.equal("wrong secret", wrong.get_order_list()["code"], "50113")
    wrong = TradeAPI(venue.keys["apiKey"], venue.keys["secret"], "wrong", flag="0",
                     domain=f"https://{address}")
    checks.equal("wrong passphrase", wrong.get_order_list()["code"], "50105")
    wrong = TradeAPI("unknown-key", "x", "x", flag="0", domain=f"https://{address}")
    checks.equal("unknown key", wrong.get_order_list()["code"], "50119")
    poor = venue.trade.place_order("BTC-USDT", "cash", "sell", "limit", "100000", px=away(
        venue.market, "BTC-USDT", "sell", "0.1"))
    checks.equal("no money", first(poor)["sCode"], "51008")
    path = "/api/v5/trade/cancel-all-after"
    armed = venue.trade._request_with_params("POST", path, {"timeOut": "30"})
    checks.true("cancel all after", int(first(armed)["triggerTime"]) > time.time(), armed)
    off = venue.trade._request_with_params("POST", path, {"timeOut": "0"})
    checks.equal("cancel all after off", first(off)["triggerTime"], "0")


async def check_sockets(venue, checks, code):
    feed = Feed()
    keys = venue.keys
    client = WsPrivateAsync(apiKey=keys["apiKey"], passphrase=keys["passphrase"],
                            secretKey=keys["secret"], url=f"{venue.sockets}/private")
    await client.start()
    channels = [
        {"channel": "orders", "instType": "ANY"},
        {"channel": "account"},
        {"channel": "positions", "instType": "SWAP"},
        {"channel": "balance_and_position"},
        {"channel": "fills"},
    ]
    await client.subscribe(channels, feed.take, id="s1")
    login = await feed.until(lambda message: message.get("event") == "login")
    checks.equal("login", login.get("code"), "0")
    checks.equal("connection id", len(login.get("connId", "")), 8)
    await feed.until(lambda message: message.get("arg", {}).get("channel") == "fills")
    acks = [m for m in feed.messages if isinstance(m, dict) and m.get("event") == "subscribe"]
    checks.equal("subscribe acks", [ack["arg"] for ack in acks], channels)
    checks.true("acks echo the id", all(ack["id"] == "s1" for ack in acks))
    counts = [m for m in feed.messages
              if isinstance(m, dict) and m.get("event") == "channel-conn-count"]
    checks.equal("connection counts", [(c["channel"], c["connCount"]) for c in counts],
                 [(name, "1") for name in
                  ("orders", "account", "positions", "balance_and_position")])
    for channel in ("account", "positions", "balance_and_position"):
        pushes = feed.pushes(channel)
        checks.true(f"{channel} snapshot", len(pushes) >= 1, "no push")
    checks.equal("account snapshot", feed.pushes("account")[0].get("eventType"), "snapshot")
    await check_socket_orders(venue, checks, client, feed, code)
    await check_socket_fills(venue, checks, client, feed, code)
    await client.stop()


async def check_socket_orders(venue, checks, client, feed, code):
    price = away(venue.market, SWAP, "buy", "0.1")
    leg = {"instIdCode": code, "tdMode": "cross", "side": "buy", "ordType": "limit", "px": price}
    await client.place_order([{**leg, "sz": "0.3", "clOrdId": "9100000000000000001"}], id="1512")
    reply = await feed.reply("1512")
    checks.equal("socket place", (reply.get("op"), reply.get("code"), first(reply).get("sCode")),
                 ("order", "0", "0"))
    checks.true("gateway times are microseconds", int(reply["outTime"]) > 10**15, reply)
    live = await feed.order("9100000000000000001", "live")
    checks.true("order push fields", not ORDER_PUSH_FIELDS - set(live),
                ORDER_PUSH_FIELDS - set(live))
    checks.equal("order push", (live.get("px"), live.get("avgPx"), live.get("accFillSz")),
                 (price, "0", "0"))
    await client.amend_order([{"instIdCode": code, "clOrdId": "9100000000000000001",
                               "newSz": "0.4", "reqId": "rq7"}], id="1515")
    checks.equal("socket amend", first(await feed.reply("1515")).get("reqId"), "rq7")
    amended = await feed.until(lambda m: any(
        row.get("reqId") == "rq7" for row in m.get("data", []) if m.get("arg")))
    row = first(amended)
    checks.equal("amend push", (row.get("amendResult"), row.get("sz"), row.get("amendSource")),
                 ("0", "0.4", "1"))
    await client.batch_orders([
        {**leg, "sz": "0.1", "clOrdId": "9100000000000000002"},
        {**leg, "sz": "0.001", "clOrdId": "9100000000000000003"},
    ], id="1513")
    batch = await feed.reply("1513")
    checks.equal("socket batch", (batch["code"], [r["sCode"] for r in batch["data"]]),
                 ("2", ["0", "51020"]))
    await client.batch_amend_orders([{"instIdCode": code, "clOrdId": "9100000000000000002",
                                      "newSz": "0.2"}], id="1517")
    checks.equal("socket batch amend", (await feed.reply("1517"))["code"], "0")
    await client.cancel_order([{"instIdCode": code, "clOrdId": "9100000000000000001"}], id="1514")
    checks.equal("socket cancel", (await feed.reply("1514"))["code"], "0")
    ended = await feed.order("9100000000000000001", "canceled")
    checks.equal("cancel push", ended.get("cancelSource"), "1")
    await client.batch_cancel_orders([{"instIdCode": code, "clOrdId": "9100000000000000002"}],
                                     id="1518")
    checks.equal("socket batch cancel", (await feed.reply("1518"))["code"], "0")
    await client.mass_cancel([{"instType": "OPTION", "instFamily": "BTC-USD"}], id="1516")
    checks.equal("mass cancel", first(await feed.reply("1516")), {"result": True})
    await client.place_order([{**leg, "instId": SWAP, "instIdCode": None, "sz": "1"}], id="1519")
    refused = await feed.reply("1519")
    checks.equal("a name is no code", (refused["code"], first(refused)["sCode"]), ("1", "51000"))
    await client.send("order", [], id="1520")
    checks.equal("no args", (await feed.reply("1520")).get("code"), "60013")


async def check_socket_fills(venue, checks, client, feed, code):
    ask = Decimal(first(venue.market.get_ticker(SWAP))["askPx"])
    crossing = {"instIdCode": code, "tdMode": "cross", "side": "buy", "sz": "0.2",
                "px": str(ask + 200)}
    await client.place_order([{**crossing, "ordType": "post_only",
                               "clOrdId": "9100000000000000004"}], id="1521")
    checks.equal("post-only is acked", (await feed.reply("1521"))["code"], "0")
    ended = await feed.order("9100000000000000004", "canceled")
    checks.equal("post-only would take", (ended.get("cancelSource"), ended.get("accFillSz")),
                 ("31", "0"))
    await client.place_order([{**crossing, "ordType": "limit",
                               "clOrdId": "9100000000000000005"}], id="1522")
    filled = await feed.order("9100000000000000005", "filled")
    checks.equal("filled", (filled.get("accFillSz"), filled.get("execType")), ("0.2", "T"))
    notional = Decimal(filled["avgPx"]) * Decimal("0.2") * Decimal("0.01")
    fee = -(notional * Decimal("0.0005"))
    checks.true("fee is charged, so negative", abs(Decimal(filled["fee"]) - fee) < Decimal("1e-8"),
                (filled["fee"], fee))
    event = await feed.until(lambda m: any(
        row.get("eventType") == "filled" for row in m.get("data", []) if m.get("arg")))
    checks.equal("balance and position",
                 (event["data"][0]["posData"][0]["pos"], event["data"][0]["balData"][0]["ccy"]),
                 ("0.2", "USDT"))
    held = await feed.until(lambda m: m.get("arg", {}).get("channel") == "positions"
                            and m.get("eventType") == "event_update"
                            and first(m).get("pos") == "0.2")
    checks.equal("position push", first(held).get("avgPx"), filled["avgPx"])
    fills = [push["data"][0] for push in feed.pushes("fills")]
    checks.true("fills channel", fills and fills[-1]["clOrdId"] == "9100000000000000005", fills)
    position = first(venue.account.get_positions(instType="SWAP"))
    checks.equal("position by query", (position.get("pos"), position.get("avgPx")),
                 ("0.2", filled["avgPx"]))
    closed = venue.trade.close_positions(SWAP, "cross", clOrdId="9100000000000000006")
    checks.equal("close position", closed["code"], "0")
    end = await feed.order("9100000000000000006", "filled")
    checks.equal("closing order", (end.get("side"), end.get("reduceOnly")), ("sell", "true"))
    checks.equal("flat", venue.account.get_positions(instType="SWAP")["data"], [])


async def check_public_socket(venue, checks):
    feed = Feed()
    client = WsPublicAsync(url=f"{venue.sockets}/public")
    await client.start()
    await client.subscribe([{"channel": "bbo-tbt", "instId": SWAP},
                            {"channel": "instruments", "instType": "SWAP"},
                            {"channel": "nothing"}], feed.take)
    unknown = await feed.until(lambda message: message.get("event") == "error")
    checks.equal("unknown channel", unknown.get("code"), "60018")
    bbo = await feed.until(lambda m: m.get("arg", {}).get("channel") == "bbo-tbt" and "data" in m)
    checks.equal("best prices", set(first(bbo)), {"asks", "bids", "ts", "seqId"})
    await client.send("order", [{}], id="9")
    refused = await feed.until(lambda message: message.get("code") == "60028")
    checks.equal("orders on the public endpoint", refused.get("event"), "error")
    await client.stop()


async def check_rejected_login(venue, checks):
    feed = Feed()
    client = WsPrivateAsync(apiKey=venue.keys["apiKey"], passphrase=venue.keys["passphrase"],
                            secretKey="wrong", url=f"{venue.sockets}/private")
    client.callback = feed.take
    reading = await client.start()
    await client.login()
    refused = await feed.until(lambda message: message.get("event") == "error")
    checks.equal("login with a wrong secret", refused.get("code"), "60007")
    await asyncio.wait([reading], timeout=5)
    checks.true("and the connection is closed", reading.done())
    reading.exception()


async def main(address, accounts):
    checks = Checks()
    venue = Venue(address, accounts[0])
    code = check_reference(venue, checks)
    check_rest_orders(venue, checks)
    check_rest_batches(venue, checks)
    check_rest_fills(venue, checks)
    check_rest_refusals(venue, checks, address)
    await check_public_socket(venue, checks)
    await check_rejected_login(venue, checks)
    await check_sockets(venue, checks, code)
    total = checks.passed + checks.failed
    print(json.dumps({"checks": total, "passed": checks.passed, "failed": checks.failed}))


if __name__ == "__main__":
    with open(sys.argv[2], encoding="utf-8") as keys:
        asyncio.run(main(sys.argv[1], json.load(keys)))
