"""What the two GPT examples share: names to learn from, their letters as tokens, the loop around.

Not an example itself. The model is in gpt_operators.py and, faster, in gpt_fused.py.
"""

import math
import random
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from _script import Parser, ScriptError, real_number, whole_number

# Beside the checkout, where this project keeps data that is too large for it.
SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "names.txt"

BUILT_IN = """
ada agnes alan albert alma amalie anders anton arthur astrid bela bernard bertha blaise boris carl
carla cecilia clara claude conrad dagmar daniel dora edgar edith elena elias elsa emil emmy enrico
ernst esther eva felix fiona frieda georg gerda grace gustav hanna harald hedwig helena henrik hilda
ida igor ilse inga irene iris isaac ivan jakob jana johan jonas julia karin katarina klara lars
laura leon leonora lina linus lise ludwig luise magnus maria marie martha martin max maya mira
moritz nadia niels nina nora olaf olga oscar otto paula peter rosa rosalind rudolf sara sofia sonja
stella sven tara theo theresa thomas tilda ulrich una valentin vera viktor walter wilma yara zora
""".split()


@dataclass(frozen=True)
class Shape:
    """The sizes of a GPT."""

    width: int = 16  # numbers that stand for a letter between two layers
    heads: int = 4  # the width is divided among them
    layers: int = 1
    context: int = 16  # letters that the model sees at most


class Vocabulary:
    """The letters of the names as tokens 0, 1, ...; one more token is the edge of a name."""

    def __init__(self, names):
        self.letters = sorted(set("".join(names)))
        self.edge = len(self.letters)
        self.size = len(self.letters) + 1
        self.token = {letter: token for token, letter in enumerate(self.letters)}

    def encode(self, name, context):
        """The name's tokens between two edges; as many as there are places to predict them from."""
        return [self.edge, *(self.token[letter] for letter in name), self.edge][: context + 1]


def load_names(path=None):
    """The names of a file, one a line; of the shared file, or else the built-in ones, if None.

    That they are the built-in ones is printed: so few names make a poor speller.
    """
    if path is None:
        path = SHARED
        if not path.exists():
            print(
                "there is no shared/data/names.txt beside the checkout, so these are "
                f"{len(BUILT_IN)} built-in names;\n"
                "--names FILE takes any other text, one name a line"
            )
            return list(BUILT_IN)
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ScriptError(f"cannot read {str(path)!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ScriptError(f"cannot read {str(path)!r}: it is not a text in UTF-8") from None
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise ScriptError(f"there are no names in {str(path)!r}: it should have one a line")
    return names


def initial_weights(shape, vocabulary_size, seed):
    """The weights that a training starts from: by name, vectors and matrices of numbers.

    The names are those that the state_dict() of gpt_fused.py has.
    """
    rng = random.Random(seed)

    def matrix(rows, columns, deviation=0.1):
        return [[rng.gauss(0.0, deviation) for _ in range(columns)] for _ in range(rows)]

    width = shape.width
    weights = {
        "tokens.w": matrix(vocabulary_size, width),
        "positions.w": matrix(shape.context, width),
    }
    for layer in range(shape.layers):
        block = f"blocks.{layer}."
        weights[block + "attention_norm.w"] = [1.0] * width
        for name in ("query", "key", "value", "mix"):
            weights[f"{block}{name}.w"] = matrix(width, width)
        weights[block + "mlp_norm.w"] = [1.0] * width
        weights[block + "expand.w"] = matrix(4 * width, width)
        weights[block + "contract.w"] = matrix(width, 4 * width)
    weights["last_norm.w"] = [1.0] * width
    weights["logits.w"] = matrix(vocabulary_size, width)
    return weights


def invent(model, vocabulary, context, rng, temperature):
    """A new name: one letter after the other, drawn with the probabilities the model gives."""
    name, token, memory = "", vocabulary.edge, model.memory()
    for _ in range(context):
        logits = [logit.data / temperature for logit in model(token, memory)]
        highest = max(logits)
        chances = [math.exp(logit - highest) for logit in logits]
        [token] = rng.choices(range(vocabulary.size), chances)
        if token == vocabulary.edge:
            break
        name += vocabulary.letters[token]
    return name


def main(docstring, new_model, train):
    """The whole of either script.

    ``new_model(shape, vocabulary_size, seed)`` makes the model; ``train(model, samples, steps)``
    yields the loss of each of its steps.
    """
    parser = Parser(docstring)
    parser.add_steps(1000)
    parser.add_argument(
        "--names",
        metavar="FILE",
        help="a text with one name a line (default: shared/data/names.txt beside the checkout, "
        "else a small built-in list)",
    )
    parser.add_argument(
        "--invent",
        type=whole_number(0, 1000),
        default=20,
        metavar="N",
        help="names to invent at the end (default: %(default)s)",
    )
    parser.add_argument(
        "--temperature",
        type=real_number(least=0.01, most=100.0),
        default=0.5,
        metavar="T",
        help="low: likely names; high: daring ones (default: %(default)s)",
    )
    parser.add_seed()
    options = parser.parse_args()

    names = load_names(options.names)
    vocabulary, shape = Vocabulary(names), Shape()
    rng = random.Random(options.seed)
    rng.shuffle(names)
    samples = [vocabulary.encode(name, shape.context) for name in names]
    model = new_model(shape, vocabulary.size, options.seed)
    print(
        f"{len(names):,} names of {len(vocabulary.letters)} letters, "
        f"{len(model.parameters()):,} parameters; a guess costs {math.log(vocabulary.size):.4f}"
    )

    start, losses = perf_counter(), []
    every = -(-options.steps // 10)
    for step, loss in enumerate(train(model, samples, options.steps), start=1):
        losses.append(loss)
        if step % every == 0 or step == options.steps:
            recent = losses[-every:]
            print(f"step {step:5}  mean loss {sum(recent) / len(recent):.4f}")
    spent = perf_counter() - start
    print(f"{1000 * spent / options.steps:.2f} ms a step")
    if options.invent:
        print("\ninvented:")
    for _ in range(options.invent):
        print(f"  {invent(model, vocabulary, shape.context, rng, options.temperature)}")
