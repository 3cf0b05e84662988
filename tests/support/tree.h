/* Folders of tests. */
#ifndef SUPPORT_TREE_H
#define SUPPORT_TREE_H

/* With all that is in it; what cannot be removed stays. */
void tree_remove(const char *path);

#endif
