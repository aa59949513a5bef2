"""Calls inside ``async def`` that keep the event loop waiting."""

import ast
from collections.abc import Iterator
from typing import Final

from split_deploy.inspection.sections import walk_on_the_loop
from split_deploy.inspection.syntax import AnyFunction, Hit, Imports, dotted, walk_body

_THREAD: Final = "Call it through sync_to_async() or asyncio.to_thread()."
_HTTPX: Final = "Await an httpx.AsyncClient that all requests share."
_PROCESS: Final = "Await asyncio.create_subprocess_exec()."
_MAIL: Final = f"It talks to a mail server. {_THREAD}"
_HASH: Final = f"It is made to take long. {_THREAD}"

#: What blocks, by its full name, and what to do instead.
BLOCKING: Final[dict[str, str]] = {
    "time.sleep": "Await asyncio.sleep().",
    **{
        f"httpx.{name}": _HTTPX
        for name in (
            *("get", "post", "put", "patch", "delete", "head", "options", "request", "stream"),
            "Client",
        )
    },
    **dict.fromkeys(("urllib.request.urlopen", "urllib.request.urlretrieve"), _HTTPX),
    **dict.fromkeys(("http.client.HTTPConnection", "http.client.HTTPSConnection"), _HTTPX),
    **{
        f"subprocess.{name}": _PROCESS
        for name in ("run", "call", "check_call", "check_output", "getoutput", "Popen")
    },
    **dict.fromkeys(("os.system", "os.popen"), _PROCESS),
    "socket.create_connection": "Await asyncio.open_connection().",
    **{
        f"socket.{name}": "Await the event loop's getaddrinfo()."
        for name in ("getaddrinfo", "gethostbyname", "gethostbyaddr", "getfqdn")
    },
    **dict.fromkeys(("hashlib.pbkdf2_hmac", "hashlib.scrypt", "bcrypt.hashpw"), _HASH),
    "bcrypt.checkpw": _HASH,
    "django.contrib.auth.hashers.make_password": _HASH,
    "django.contrib.auth.hashers.check_password": "Await acheck_password().",
    **{
        f"django.contrib.auth.{name}": f"Await a{name}()."
        for name in ("authenticate", "login", "logout", "get_user", "update_session_auth_hash")
    },
    **{
        f"django.core.mail.{name}": _MAIL
        for name in ("send_mail", "send_mass_mail", "mail_admins", "mail_managers")
    },
    **dict.fromkeys(("smtplib.SMTP", "smtplib.SMTP_SSL"), _MAIL),
    "django.core.management.call_command": _THREAD,
    **{
        f"django.core.cache.cache.{name}": f"Await cache.a{name}()."
        for name in (
            *("get", "set", "add", "touch", "delete", "incr", "decr", "clear", "has_key"),
            *("get_or_set", "get_many", "set_many", "delete_many"),
        )
    },
    **dict.fromkeys(("open", "io.open"), f"It waits for the disk. {_THREAD}"),
    **{f"shutil.{name}": _THREAD for name in ("copy", "copy2", "copyfile", "copytree", "rmtree")},
}
# Libraries all of whose calls wait for the network.
_BLOCKING_MODULES: Final = {"requests": _HTTPX, "urllib3": _HTTPX}
# Methods of pathlib.Path, by names that hardly anything else has.
_PATH_METHODS: Final = {"read_text", "read_bytes", "write_text", "write_bytes"}

_QUERIES: Final = {
    *("get", "create", "get_or_create", "update_or_create", "bulk_create", "bulk_update", "count"),
    *("exists", "first", "last", "latest", "earliest", "aggregate", "in_bulk", "update", "delete"),
    *("iterator", "contains", "explain"),
}
# What these give is no queryset.
_A_QUERIES: Final = {f"a{name}" for name in _QUERIES}
_MODEL_METHODS: Final = {"save", "delete", "refresh_from_db", "full_clean"}
_SESSION_METHODS: Final = {"get", "pop", "setdefault", "update", "keys", "items", "flush"}
_MANAGERS: Final = {"objects", "_default_manager", "_base_manager"}
_SHORTCUTS: Final = {
    "django.shortcuts.get_object_or_404",
    "django.shortcuts.get_list_or_404",
}
_READERS: Final = {"list", "tuple", "set", "dict", "sorted", "len", "bool", "sum"}


def blocking_calls(tree: ast.Module, imports: Imports) -> Iterator[Hit]:
    """Yield the ``blocking-call`` and ``orm-call`` inside the async functions of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef):
            yield from _Function(node, imports).hits()


class _Function:
    """One ``async def``. What is in a nested function is not its own: a thread may run that."""

    def __init__(self, function: ast.AsyncFunctionDef, imports: Imports) -> None:
        self._function: AnyFunction = function
        self._imports = imports
        self._nodes = list(walk_on_the_loop(function, imports))
        self._awaited = {id(node.value) for node in self._nodes if isinstance(node, ast.Await)}
        self._querysets: set[str] = set()
        self._collect_querysets()

    def hits(self) -> Iterator[Hit]:
        for node in self._nodes:
            if isinstance(node, ast.Call) and id(node) not in self._awaited:
                yield from self._call(node)
            elif isinstance(node, (ast.For, ast.comprehension)):
                yield from self._loop(node)
            elif isinstance(node, ast.With):
                yield from self._with(node)
            elif isinstance(node, (ast.Attribute, ast.Subscript)):
                yield from self._request(node)

    def _call(self, node: ast.Call) -> Iterator[Hit]:
        name = self._imports.full(dotted(node.func))
        remedy = BLOCKING.get(name) or _BLOCKING_MODULES.get(name.partition(".")[0])
        if remedy is not None and (name in BLOCKING or "." in name):
            yield self._hit(node, "blocking-call", f"{name}()", remedy)
        elif name in _SHORTCUTS:
            last = name.rpartition(".")[2]
            yield self._hit(node, "orm-call", f"{last}()", f"Await a{last}().")
        elif isinstance(node.func, ast.Name) and node.func.id in _READERS:
            if node.args and self._is_queryset(node.args[0]):
                yield self._hit(
                    node,
                    "orm-call",
                    f"{node.func.id}() of a queryset",
                    "Read it with `async for`.",
                )
        elif isinstance(node.func, ast.Attribute):
            yield from self._method(node, node.func)

    def _method(self, node: ast.Call, method: ast.Attribute) -> Iterator[Hit]:
        if method.attr in _PATH_METHODS:
            yield self._hit(
                node, "blocking-call", f".{method.attr}()", f"It waits for the disk. {_THREAD}"
            )
        elif method.attr in _QUERIES and self._is_queryset(method.value):
            remedy = "Read it with `async for`."
            if method.attr != "iterator":
                remedy = f"Await a{method.attr}()."
            yield self._hit(node, "orm-call", f"{ast.unparse(method)}()", remedy)
        elif method.attr in _MODEL_METHODS and not node.args and isinstance(method.value, ast.Name):
            yield self._hit(
                node, "orm-call", f"{ast.unparse(method)}()", f"Await a{method.attr}()."
            )

    def _loop(self, node: ast.For | ast.comprehension) -> Iterator[Hit]:
        if isinstance(node, ast.comprehension) and node.is_async:
            return
        if self._is_queryset(node.iter):
            yield self._hit(
                node.iter, "orm-call", f"a loop over {ast.unparse(node.iter)}", "Use `async for`."
            )

    def _with(self, node: ast.With) -> Iterator[Hit]:
        for item in node.items:
            call = item.context_expr
            name = self._imports.full(dotted(call.func if isinstance(call, ast.Call) else call))
            if name == "django.db.transaction.atomic":
                yield self._hit(
                    call,
                    "orm-call",
                    "transaction.atomic()",
                    "Put the transaction into a sync function and await it through "
                    "sync_to_async().",
                )

    def _request(self, node: ast.Attribute | ast.Subscript) -> Iterator[Hit]:
        # What is behind the two is read when it is first looked at, from the database perhaps.
        name = dotted(node.value)
        if name == "request.user":
            yield self._hit(node, "orm-call", "request.user", "Await request.auser().")
        elif name != "request.session":
            return
        elif isinstance(node, ast.Subscript):
            is_read = isinstance(node.ctx, ast.Load)
            remedy = f"Await request.session.{'aget' if is_read else 'aset'}()."
            yield self._hit(node, "orm-call", "request.session", remedy)
        elif node.attr in _SESSION_METHODS:
            remedy = f"Await request.session.a{node.attr}()."
            yield self._hit(node, "orm-call", f"request.session.{node.attr}()", remedy)

    def _is_queryset(self, node: ast.expr) -> bool:
        """Whether an expression begins at a manager, or at a name that was given one."""
        while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
            if isinstance(node, ast.Attribute) and node.attr in _MANAGERS:
                return True
            if isinstance(node, ast.Attribute) and node.attr in _A_QUERIES:
                return False
            node = node.func if isinstance(node, ast.Call) else node.value
        return isinstance(node, ast.Name) and node.id in self._querysets

    def _collect_querysets(self) -> None:
        for node in walk_body(self._function):
            if not isinstance(node, ast.Assign) or not self._is_queryset(node.value):
                continue
            last = node.value.func if isinstance(node.value, ast.Call) else node.value
            if isinstance(last, ast.Attribute) and last.attr in _QUERIES:
                continue  # an object, a number: what a query gave
            self._querysets |= {each.id for each in node.targets if isinstance(each, ast.Name)}

    def _hit(self, node: ast.expr, kind: str, what: str, remedy: str) -> Hit:
        return Hit.at(
            node,
            kind,
            f"{what} in async {self._function.name}() blocks the event loop. {remedy}",
        )
