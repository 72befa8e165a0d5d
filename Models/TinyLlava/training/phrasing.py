"""Other words for the same questions. Training mixes them in, so that the model does not hang on one phrasing."""
from __future__ import annotations

import dataclasses
import re

import numpy as np

import scenes

OTHERS = [  # a pattern of the questions in scenes.py, and what else people ask
    (r"What color is the (\w+)\?", ["What colour is the {0}?", "What color does the {0} have?", "what color is the {0}?",
                                    "What is the colour of the {0}?", "Which color is the {0}?", "The {0} has which color?"]),
    (r"Where is the (\w+)\?", ["Where is the {0} in the picture?", "Where can you see the {0}?", "where is the {0}?",
                               "What is the position of the {0}?"]),
    (r"What shape is the (\w+) object\?", ["What is the {0} object?", "What is the {0} shape?", "What is the {0} thing?",
                                           "Which shape is the {0} one?", "What shape is {0}?", "What is {0}?"]),
    (r"What shape is at the ([\w ]+)\?", ["What is at the {0}?", "Which shape is at the {0}?", "What is in the {0}?"]),
    (r"How many shapes are there\?", ["How many objects are there?", "How many shapes do you see?", "How many things are there?",
                                      "How many objects are in the picture?", "how many shapes are there?"]),
    (r"How many (\w+) are there\?", ["How many {0} are in the picture?", "How many {0} do you see?", "How many {0} can you see?"]),
    (r"How many (\w+) shapes are there\?", ["How many {0} objects are there?", "How many {0} things are there?",
                                            "How many shapes are {0}?"]),
    (r"Is there (an?) ([\w ]+)\?", ["Is there {0} {1} in the picture?", "Is there {0} {1} in the image?", "Do you see {0} {1}?",
                                    "Does the picture show {0} {1}?"]),
    (r"Is the (\w+) to the (left|right) of the (\w+)\?", ["Is the {0} {1} of the {2}?", "Is the {0} on the {1} of the {2}?",
                                                         "Is the {0} on the {1} side of the {2}?"]),
    (r"Describe the image\.", ["Describe the picture.", "What do you see?", "What is in the picture?", "Describe this picture.",
                               "What is this?", "Describe the image", "What does the image show?", "Describe what you see."]),
]


def reworded(rng: np.random.Generator, question: scenes.Question, chance: float) -> scenes.Question:
    """The same question, now and then in other words."""
    if rng.random() < chance:
        for pattern, others in OTHERS:
            found = re.fullmatch(pattern, question.text)
            if found:
                return dataclasses.replace(question, text=others[rng.integers(len(others))].format(*found.groups()))
    return question
