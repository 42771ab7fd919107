"""What each unit of a layer stands for, from pictures with labelled pixels."""
