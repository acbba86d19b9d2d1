"""Plain sentences about the world, on which a language model's forgetting is measured.

Written for this purpose: no dataset of ours holds them, no topic prevails, and no sentence depends on another.
"""

SENTENCES: tuple[str, ...] = (
    "Water expands when it freezes, which is why ice floats and why pipes burst in cold winters.",
    "The library opens at nine in the morning and closes at six, except on public holidays.",
    "Most of the Sahara is stone and gravel; only about a quarter of its surface is covered by sand dunes.",
    "A triangle whose sides measure three, four and five units contains a right angle.",
    "The committee met twice in March and postponed its decision until the report was complete.",
    "Bees communicate the direction of flowers by moving in a pattern that follows the angle of the sun.",
    "Copper conducts electricity better than iron and costs more.",
    "The old bridge was closed to cars ten years ago and is now used by walkers and cyclists.",
    "In many countries the school year begins in autumn and ends at the start of summer.",
    "To make bread one needs flour, water, salt and yeast, and some patience while the dough rises.",
    "The train to the coast leaves from the third platform and stops at every village on the way.",
    "Mars has two small moons, and both of them are shaped more like potatoes than like spheres.",
    "Her grandfather kept the accounts of the harbour in a book bound in green leather.",
    "Light takes a little more than eight minutes to travel from the sun to the earth.",
    "The price of coffee rose after frost had damaged the harvest in the highlands.",
    "A clock that has stopped shows the right time twice a day.",
    "Rivers carry sand and mud to the sea, where they settle and slowly turn into rock.",
    "The museum lends paintings to smaller towns so that more people can see them.",
    "Vaccines prepare the body to recognise a virus before it meets the real one.",
    "The carpenter measured the plank again, marked it with a pencil and cut it in two.",
    "Paper was made in China long before the technique reached Europe.",
    "When the wind turns to the north, fishermen on this coast stay in the harbour.",
    "A good dictionary gives the history of a word as well as its meaning.",
    "The valley is warm in summer, but fog fills it on most mornings from October to February.",
    "Salt lowers the temperature at which water freezes, so it is spread on icy roads.",
    "The orchestra rehearsed the second movement until the violins and the cellos agreed.",
    "Owls turn their heads far to each side because their eyes cannot move.",
    "The contract ends after two years unless one of the parties renews it in writing.",
    "An apple tree grown from a seed rarely bears the same fruit as the tree it came from.",
    "The village well was dug by hand and is deeper than the church tower is high.",
    "Prime numbers become rarer as numbers grow, yet there is no largest one.",
    "The nurse wrote down the temperature and the pulse and came back an hour later.",
)
