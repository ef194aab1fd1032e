"""Logs Autobahn|Python in at the router, over WebSocket at --url and RawSocket at
--tcp, by each method and with each serializer, and writes a line {"name", "error"}
for each check, with the name alone when it passed. Exits with 0 once all have run.
"""

import argparse
import asyncio
import base64
import json
import sys
import traceback
from urllib.parse import urlsplit

from autobahn.asyncio.rawsocket import WampRawSocketClientFactory
from autobahn.asyncio.wamp import Session
from autobahn.asyncio.websocket import WampWebSocketClientFactory
from autobahn.wamp import auth
from autobahn.wamp.cryptosign import CryptosignKey
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.serializer import CBORSerializer, JsonSerializer, MsgPackSerializer
from autobahn.wamp.types import ComponentConfig

LIMIT = 10  # seconds that a check may take
REALM = "realm1"
SEED = "11" * 32  # carol's
DENIED = "wamp.error.authentication_denied"

SERIALIZERS = {"json": JsonSerializer, "msgpack": MsgPackSerializer, "cbor": CBORSerializer}


def derive(password, salt, iterations):
    """The library hands its PBKDF2 the text of the salt, which that refuses."""
    return auth.pbkdf2(password, base64.b64decode(salt), iterations, keylen=32)


auth._hash_pbkdf2_secret = derive


class Refused(Exception):
    """The session did not come to be."""

    def __init__(self, reason, message):
        super().__init__(f"{reason}: {message}")
        self.reason, self.message = reason, message


class Client:
    """A way to reach the router: a transport and a serializer."""

    def __init__(self, url, serializer):
        self.url, self.serializer, self.open = url, SERIALIZERS[serializer], []

    async def join(self, method, authid, realm=REALM, **secrets):
        """Returns the session and what WELCOME says; raises Refused."""
        session, joined = Session(ComponentConfig(realm)), asyncio.get_running_loop().create_future()

        def settle(act, value):
            if not joined.done():
                act(value)

        if method != "anonymous":
            known = {"authid": authid} if authid else {}
            session.add_authenticator(auth.create_authenticator(method, **known, **secrets))
        session.on("join", lambda _session, details: settle(joined.set_result, details))
        session.on("leave", lambda _session, why: settle(joined.set_exception, Refused(why.reason, why.message)))
        session.on("disconnect", lambda _session, **_: settle(joined.set_exception, Refused("disconnected", "")))
        at = urlsplit(self.url)
        if at.scheme == "tcp":
            factory = WampRawSocketClientFactory(lambda: session, serializer=self.serializer())
        else:
            factory = WampWebSocketClientFactory(lambda: session, url=self.url, serializers=[self.serializer()])
        transport, _ = await asyncio.get_running_loop().create_connection(factory, at.hostname, at.port)
        self.open.append(transport)
        return session, await joined

    async def admitted(self, method, authid, shown=None, **secrets):
        session, details = await self.join(method, authid, **secrets)
        got = (details.authid, details.authrole, details.authmethod)
        assert got == (shown or authid, "user", method), got
        try:
            await session.call("com.example.none")
        except ApplicationError as e:
            assert e.error == "wamp.error.no_such_procedure", e
        return session

    async def refused(self, *logins, reason=DENIED):
        """All are refused, and in the same words."""
        told = set()
        for method, authid, secrets in logins:
            try:
                await self.join(method, authid, **secrets)
            except Refused as e:
                assert e.reason == reason, f"{authid}: {e}"
                told.add(e.message)
            else:
                raise AssertionError(f"{authid} is in by {method}")
        assert len(told) == 1, told

    def close(self):
        for transport in self.open:
            transport.close()
        self.open = []


async def anonymous(c):
    _, details = await c.join("anonymous", None)
    assert details.authrole == "anonymous", details


async def password_as_ticket(c):
    await c.admitted("ticket", "joe", ticket="joe-secret")


async def wrong_password_as_ticket(c):
    await c.refused(
        ("ticket", "joe", {"ticket": "wrong"}), ("ticket", unknown(), {"ticket": "joe-secret"}),
    )


async def signed_ticket(c):
    session = await c.admitted("wampcra", "joe", secret="joe-secret")
    issued = await session.call("bondy.ticket.issue")
    await c.admitted("ticket", "joe", ticket=issued["ticket"])
    await c.refused(("ticket", "joe", {"ticket": issued["ticket"][:-4] + "AAAA"}))


async def wampcra(c):
    await c.admitted("wampcra", "joe", secret="joe-secret")
    await c.admitted("wampcra", "jos\u00e9", secret="contrase\u00f1a \u2713")


async def wrong_wampcra_secret(c):
    await c.refused(
        ("wampcra", "joe", {"secret": "wrong"}), ("wampcra", unknown(), {"secret": "joe-secret"}),
    )


async def cryptosign(c):
    await c.admitted("cryptosign", "carol", privkey=SEED)


async def cryptosign_by_key_alone(c):
    await c.admitted("cryptosign", None, shown="carol", privkey=SEED)


async def wrong_cryptosign_key(c):
    await c.refused(
        ("cryptosign", "carol", {"privkey": "22" * 32}), ("cryptosign", "joe", {"privkey": SEED}),
        ("cryptosign", unknown(), {"privkey": SEED}), ("cryptosign", None, {"privkey": "22" * 32}),
    )


async def scram_with_argon2(c):
    """The library checks the router's signature, too."""
    await c.admitted("scram", "susan", password="susan-secret")


async def scram_with_pbkdf2(c):
    await c.admitted("scram", "sam", password="sam-secret")


async def wrong_scram_password(c):
    await c.refused(
        ("scram", "susan", {"password": "wrong"}), ("scram", "sam", {"password": "susan-secret"}),
        ("scram", unknown(), {"password": "susan-secret"}),
    )
    # Who was in before has failures to spare again.
    await c.admitted("scram", "susan", password="susan-secret")
    await c.admitted("scram", "sam", password="sam-secret")


async def a_router_that_does_not_know_the_password(c):
    """The library turns away from a router whose signature is of another password."""
    honest = auth.AuthScram.on_welcome

    def on_welcome(self, session, authextra):
        signature = base64.b64decode(authextra["scram_server_signature"])
        forged = base64.b64encode(bytes([signature[0] ^ 1]) + signature[1:]).decode()
        return honest(self, session, {**authextra, "scram_server_signature": forged})

    auth.AuthScram.on_welcome = on_welcome
    try:
        await c.admitted("scram", "susan", password="susan-secret")
    except Refused:
        return
    finally:
        auth.AuthScram.on_welcome = honest
    raise AssertionError("the library does not look at the signature")


async def no_such_realm(c):
    await c.refused(("anonymous", None, {"realm": "com.example.nowhere"}), reason="wamp.error.no_such_realm")


async def a_method_that_is_not_offered(c):
    await c.refused(("scram", "joe", {"password": "x", "realm": "com.example.access"}), reason="wamp.error.no_matching_auth_method")


CHECKS = [
    anonymous, password_as_ticket, wrong_password_as_ticket, signed_ticket, wampcra, wrong_wampcra_secret,
    cryptosign, cryptosign_by_key_alone, wrong_cryptosign_key, scram_with_argon2, scram_with_pbkdf2,
    wrong_scram_password, a_router_that_does_not_know_the_password, no_such_realm, a_method_that_is_not_offered,
]

strangers = 0


def unknown():
    """Another name each time: the router slows down who fails often."""
    global strangers
    strangers += 1
    return f"nobody{strangers}"


async def main():
    flags = argparse.ArgumentParser()
    flags.add_argument("--url")
    flags.add_argument("--tcp")
    flags = flags.parse_args()
    for transport, url in (("websocket", flags.url), ("rawsocket", flags.tcp)):
        for serializer in SERIALIZERS:
            for check in CHECKS:
                client = Client(url, serializer)
                line = {"name": f"{transport}-{serializer}/{check.__name__.replace('_', ' ')}"}
                try:
                    await asyncio.wait_for(check(client), LIMIT)
                except Exception:
                    line["error"] = traceback.format_exc()
                client.close()
                print(json.dumps(line), flush=True)


asyncio.run(main())
sys.exit(0)
