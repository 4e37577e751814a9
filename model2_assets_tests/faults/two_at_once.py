"""Two retrains of one region at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from model2_assets_tests.faults.children import running, start
from model2_assets_tests.faults.scene import Scene

WAITING = "waiting for process"


@dataclass(frozen=True)
class Pair:
    """What became of two commands started together.

    Attributes
    ----------
    statuses : tuple of int
        Their exit statuses.
    waited : bool
        Whether the log says that one waited for the other.
    """

    statuses: tuple[int, int]
    waited: bool


def at_once(scene: Scene, first: tuple[str, ...], second: tuple[str, ...]) -> Pair:
    """Start two commands together and wait for both.

    Parameters
    ----------
    scene : Scene
        Where both work.
    first, second : tuple of str
        Configuration and arguments, such as ``("new", "retrain")``.
    """
    children = [start(scene, *command) for command in (first, second)]
    # Both are listened to: one that nobody listens to stops, and the other may wait for it.
    with running(*children), ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda child: child.wait(), children)
    return Pair((one, two), WAITING in scene.log.read_text())
