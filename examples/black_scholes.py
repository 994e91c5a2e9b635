"""Black-Scholes: the price of a European call and its Greeks, from one backward() a price.

The price is a formula in five numbers. Written on Values, one backward() gives its slope in every
one of them at once: delta (spot), vega (volatility), rho (rate), and theta (minus the slope in the
time to expiry). Second derivatives come from differences of such gradients: the gradient at two
spots gives gamma and vanna, at two volatilities vomma. The textbook's closed forms stand beside.
"""

import math

from _script import Parser, ScriptError, real_number, run

from micrograd_fast import Value, erfc, exp, log, sqrt

INPUTS = ("spot", "strike", "rate", "volatility", "years")


def normal_cdf(x):
    # erfc keeps its digits far out in the tail, where 1 + erf would round to 0.
    return 0.5 * erfc(-x / math.sqrt(2.0))


def call_price(spot, strike, rate, volatility, years):
    """The value of the right to buy at ``strike`` after ``years``: floats or Values alike."""
    deviation = volatility * sqrt(years)
    d1 = (log(spot / strike) + rate * years) / deviation + 0.5 * deviation
    d2 = d1 - deviation
    return spot * normal_cdf(d1) - strike * exp(-rate * years) * normal_cdf(d2)


def price_and_gradient(*numbers):
    """The price, and its slopes in the five inputs by name."""
    inputs = [Value(x) for x in numbers]
    price = call_price(*inputs)
    price.backward()
    return price.data, {name: x.grad for name, x in zip(INPUTS, inputs)}


def slope_of_gradient(numbers, which, step):
    """How the gradient changes along input ``which``: a row of second derivatives by name.

    The five-point difference: its error is of fourth order in ``step``.
    """
    row = dict.fromkeys(INPUTS, 0.0)
    for distance, weight in ((-2, 1.0), (-1, -8.0), (1, 8.0), (2, -1.0)):
        moved = list(numbers)
        moved[which] += distance * step
        for name, slope in price_and_gradient(*moved)[1].items():
            row[name] += weight * slope / (12.0 * step)
    return row


def greeks(spot, strike, rate, volatility, years):
    """The price and the Greeks, by autodiff."""
    numbers = (spot, strike, rate, volatility, years)
    price, slopes = price_and_gradient(*numbers)
    # A step is small on the scale on which the price bends.
    along_spot = slope_of_gradient(numbers, 0, 0.002 * spot * min(1.0, volatility * years**0.5))
    along_volatility = slope_of_gradient(numbers, 3, 0.001 * volatility)
    return {
        "price": price,
        "delta": slopes["spot"],
        "vega": slopes["volatility"],
        "theta": -slopes["years"],
        "rho": slopes["rate"],
        "gamma": along_spot["spot"],
        "vanna": along_spot["volatility"],
        "vomma": along_volatility["volatility"],
    }


def closed_forms(spot, strike, rate, volatility, years):
    """The same from the textbook's formulas, in plain floats."""
    root = math.sqrt(years)
    d1 = (math.log(spot / strike) + (rate + volatility**2 / 2) * years) / (volatility * root)
    d2 = d1 - volatility * root
    density = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
    discount = math.exp(-rate * years)
    vega = spot * density * root
    return {
        "price": spot * normal_cdf(d1) - strike * discount * normal_cdf(d2),
        "delta": normal_cdf(d1),
        "vega": vega,
        "theta": -spot * density * volatility / (2 * root)
        - rate * strike * discount * normal_cdf(d2),
        "rho": strike * years * discount * normal_cdf(d2),
        "gamma": density / (spot * volatility * root),
        "vanna": -density * d2 / volatility,
        "vomma": vega * d1 * d2 / volatility,
    }


def main():
    parser = Parser(__doc__)
    positive = real_number(above=0.0)
    parser.add_argument("--spot", type=positive, default=100.0, help="price of the share today")
    parser.add_argument("--strike", type=positive, default=105.0, help="price agreed on")
    parser.add_argument("--rate", type=real_number(), default=0.03, help="interest rate a year")
    parser.add_argument("--volatility", type=positive, default=0.25, help="a year")
    parser.add_argument("--years", type=positive, default=0.75, help="time to expiry")
    parser.add_argument("--short", action="store_true", help="leave out the table of spots")
    options = parser.parse_args()
    numbers = [getattr(options, name) for name in INPUTS]

    print("  ".join(f"{name} {number:g}" for name, number in zip(INPUTS, numbers)))
    spots = [] if options.short else [options.spot * p / 100 for p in range(60, 145, 10)]
    try:
        found, exact = greeks(*numbers), closed_forms(*numbers)
        table = [greeks(spot, *numbers[1:]) for spot in spots]
    except (ArithmeticError, ValueError):
        found = {"price": math.nan}
    if not all(map(math.isfinite, found.values())):
        raise ScriptError("these numbers are too extreme for floating point")

    print("        autodiff              closed form           difference")
    for name, number in found.items():
        print(f"{name:6}  {number:<20.14g}  {exact[name]:<20.14g}  {abs(number - exact[name]):.1e}")
    if table:
        print("\n    spot     price     delta     gamma      vega")
    for spot, row in zip(spots, table):
        shown = (f"{row[name]:8.4f}" for name in ("price", "delta", "gamma", "vega"))
        print(f"{spot:8.2f}  {'  '.join(shown)}")


if __name__ == "__main__":
    run(main)
