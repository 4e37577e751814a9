import numpy as np

from model2_assets.reports.data_charts import most_frequent_roles


def test_a_date_has_the_role_of_most_of_its_rows():
    roles = np.array([0, 0, 2, 2, 2, 0, 4, 4, 3, 3], dtype=np.int8)
    codes = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 4])
    assert most_frequent_roles(roles, codes, 5).tolist() == [0, 2, 4, 3, 3]
