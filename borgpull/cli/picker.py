"""The apps of `borgpull browse`. What they show is a client's: text without any markup."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, TypeVar

from rich.style import Style
from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Input, OptionList, Static, Tree
from textual.widgets.option_list import Option
from textual.widgets.tree import TreeNode

from borgpull.cli.marks import Marks, is_text
from borgpull.cli.text import mark, owner_of, safe, size, when
from borgpull.errors import Interrupted
from borgpull.ops.search import translate
from borgpull.signals import CAUGHT
from borgpull.trees.tree import Entry, parts

# More names in one folder only cost time; the search finds the others.
MOST = 2000
T = TypeVar("T")


class Picker(App[T]):
    """What both apps have in common: a signal ends them as it ends any command."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #title { height: 1; text-style: bold; text-wrap: nowrap; }
    #entry { height: auto; max-height: 4; }
    #marked { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    #pattern { height: 1; border: none; padding: 0; }
    OptionList, Tree { height: 1fr; border: none; padding: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", f"end({int(signal.SIGINT)})", show=False, priority=True),
    ]
    ended = 0  # the signal that ended the app, or 0

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for signum in CAUGHT:
            loop.add_signal_handler(signum, self.action_end, int(signum))

    def action_end(self, signum: int) -> None:
        self.ended = signum
        self.exit()


def shown(app: Picker[T]) -> T | None:
    """What the user picks. Raises Interrupted."""
    handlers = {signum: signal.getsignal(signum) for signum in CAUGHT}
    try:
        picked = app.run()
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
    if app.ended:
        raise Interrupted(app.ended)
    if app.return_code:
        raise RuntimeError(f"the app ended with {app.return_code}")
    return picked


class Archives(Picker[str]):
    """Choose one of a client's archives; its name, or None."""

    def __init__(self, client: str, archives: Iterable[dict[str, Any]]) -> None:
        super().__init__()
        self._client, self._archives = client, list(archives)

    def compose(self) -> ComposeResult:
        yield Static(f"{safe(self._client)}: which archive?", id="title", markup=False)
        yield OptionList(*(Option(_archive(item)) for item in self._archives), markup=False)
        yield Footer()

    @on(OptionList.OptionSelected)
    def choose(self, event: OptionList.OptionSelected) -> None:
        self.exit(str(self._archives[event.option_index]["name"]))


def _archive(item: dict[str, Any]) -> str:
    return f"{safe(item['time'][:19])}  {safe(item['name'])}{mark(item)}"


class EntryTree(Tree["Entry | None"]):
    """The tree of an archive; folders are filled when they are opened."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "app.mark", "Mark"),
        Binding("enter", "select_cursor", "Open, close"),
        Binding("right", "unfold", show=False),
        Binding("left", "fold", show=False),
    ]

    def __init__(self, root: Entry, marks: Marks) -> None:
        super().__init__(Text("/"), data=root)
        self._marks = marks

    def fill(self, node: TreeNode[Entry | None], entries: list[Entry], *, paths: bool) -> None:
        """Give a node its children, by name or by path."""
        node.remove_children()
        for entry in entries[:MOST]:
            label = Text(safe(entry.path if paths else entry.name))
            node.add(label, data=entry, allow_expand=entry.folder)
        if len(entries) > MOST:
            node.add_leaf(Text(f"… {len(entries) - MOST} more: search with /"))

    def open(self, entry: Entry) -> None:
        """Open the folders above an entry, and go to it."""
        node = self.root
        for part in parts(entry.path):
            if node.data is not None and not node.children:
                self.fill(node, node.data.sorted(), paths=False)
            node.expand()
            below = (child for child in node.children if child.data and child.data.name == part)
            if (child := next(below, None)) is None:  # beyond MOST, so not shown
                break
            node = child
        node.expand()
        self.call_after_refresh(self.move_cursor, node)

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[Entry | None]) -> None:
        if not event.node.children and event.node.data is not None:
            self.fill(event.node, event.node.data.sorted(), paths=False)

    def render_label(self, node: TreeNode[Entry | None], base_style: Style, style: Style) -> Text:
        entry = node.data
        if entry is None:
            return Text("    ", base_style).append_text(Text(str(node.label), style))
        icon = "  "
        if node.allow_expand:
            icon = self.ICON_NODE_EXPANDED if node.is_expanded else self.ICON_NODE
        path = entry.path
        mark = "✓ " if path in self._marks else "· " if self._marks.above(path) else "  "
        slash = "/" if entry.folder and entry.parent is not None else ""
        text = Text.assemble((icon + mark, base_style), (f"{node.label}{slash}", style))
        return text.append(f"  {size(entry.size)}", base_style + Style(dim=True))

    def action_unfold(self) -> None:
        if self.cursor_node is not None:
            self.cursor_node.expand()

    def action_fold(self) -> None:
        node = self.cursor_node
        if node is not None and node.is_expanded and node.allow_expand:
            node.collapse()
        elif node is not None and node.parent is not None:
            self.move_cursor(node.parent)


class Files(Picker[list[str]]):
    """Mark paths in an archive; the marked ones, or None for another archive."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # It has priority: text that follows it, perhaps in one packet, is for the field.
        Binding("slash", "search", "Search", priority=True),
        Binding("escape", "all", "All"),
        Binding("a", "archives", "Archives"),
    ]

    def __init__(
        self,
        heading: str,
        root: Entry,
        entry: Entry,
        *,
        back: bool = False,
        text_only: bool = False,
    ) -> None:
        """The cursor begins at `entry`. `back` says whether there are other archives.

        With `text_only`, names that are no text cannot be marked.
        """
        super().__init__()
        self._heading = safe(heading)
        self._root, self._entry = root, entry
        self._back, self._text_only = back, text_only
        self.marks = Marks()

    def compose(self) -> ComposeResult:
        yield Static(self._heading, id="title", markup=False)
        yield EntryTree(self._root, self.marks)
        yield Input(id="pattern", placeholder="part of a name, or a pattern: *.conf /etc/**")
        yield Static(id="entry", markup=False)
        yield Static(id="marked", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        super().on_mount()
        self._show(self._entry)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "search":
            return not isinstance(self.focused, Input)
        return self._back if action == "archives" else True

    def _tree(self) -> EntryTree:
        return self.query_one(EntryTree)

    @on(Tree.NodeHighlighted)
    def tell(self, event: Tree.NodeHighlighted[Entry | None]) -> None:
        entry = event.node.data
        self.query_one("#entry", Static).update("" if entry is None else line_of(entry))

    async def action_quit(self) -> None:
        self.exit(list(self.marks))

    def action_archives(self) -> None:
        self.exit(None)

    def action_mark(self) -> None:
        node = self._tree().cursor_node
        if node is None or node.data is None:
            return
        path = node.data.path
        if (above := self.marks.above(path)) is not None:
            self._say(f"it comes back with {above}")
            return
        if self._text_only and not is_text(path):
            self._say(
                "docker run passes only text on: mark a folder above it, or browse from the host"
            )
            return
        self.marks.toggle(path)
        self._say_marked()
        self._tree().notify_style_update()  # other lines may change too

    def _say_marked(self) -> None:
        self._say(f"{len(self.marks)} marked: {' '.join(self.marks)}" if self.marks else "")

    def _say(self, text: str) -> None:
        self.query_one("#marked", Static).update(safe(text))

    def action_search(self) -> None:
        field = self.query_one(Input)
        field.display = True
        self.screen.set_focus(field)

    def action_all(self) -> None:
        """The whole tree again, open at the entry that the cursor is at."""
        node = self._tree().cursor_node
        self._show(node.data if node and node.data else self._root)
        self._say_marked()

    def _show(self, entry: Entry) -> None:
        self._hide_search()
        tree = self._tree()
        tree.fill(tree.root, self._root.sorted(), paths=False)
        tree.open(entry)

    @on(Input.Submitted)
    def find(self, event: Input.Submitted) -> None:
        """Show what matches, as a list."""
        self._hide_search()
        if not event.value:
            return
        found = list(matching(self._root, event.value))
        tree = self._tree()
        tree.fill(tree.root, found, paths=True)
        tree.root.expand()
        self._say(f"{len(found)} found; escape shows all again")

    def _hide_search(self) -> None:
        self.query_one(Input).display = False
        self.screen.set_focus(self._tree())


def matching(root: Entry, text: str) -> Iterator[Entry]:
    """As `find` has it, in any case of letters; what is no pattern is a part of a name."""
    plain = not set(text) & set("*?[/")
    pattern = re.compile(translate(f"*{text}*" if plain else text), re.IGNORECASE)
    for entry in root.below():
        if pattern.fullmatch(entry.path[1:] if "/" in text else entry.name):
            yield entry


def line_of(entry: Entry) -> str:
    """What `ls -l` would say."""
    row = entry.row()
    mtime = when(entry.mtime).replace("T", " ")
    return f"{entry.mode} {safe(owner_of(row))} {size(entry.size)} {mtime}  {safe(entry.path)}"
