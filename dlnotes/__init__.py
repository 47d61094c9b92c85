"""A Keras 3 cookbook: recipes to run, builders to import, spaces to search.

Importing this package does no work. What needs Keras is imported when it is first asked for:

- `dlnotes.builders`, `dlnotes.layers`, `dlnotes.callbacks`: parts for your own Keras code
- `dlnotes.recurrent`, `dlnotes.masks`, `dlnotes.outputs`: state, masks, several outputs
- `dlnotes.tables`, `dlnotes.vectors`, `dlnotes.uncertainty`: categories, word vectors, MC dropout
- `dlnotes.datasets`, `dlnotes.figures`, `dlnotes.tuning`: data, pictures, search
- `dlnotes.saving.load_model`: loads a saved model with every layer of this package known
"""

__version__ = "0.1.0"
