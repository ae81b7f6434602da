// Shows in the status bar as whom, and on which machine, the extensions of this Gitspace run.
const { hostname, userInfo } = require("node:os");
const { StatusBarAlignment, window } = require("vscode");

exports.activate = ({ subscriptions }) => {
  const item = window.createStatusBarItem(StatusBarAlignment.Left);
  item.text = `Hello from ${userInfo().username}@${hostname()}`;
  item.show();
  subscriptions.push(item);
};
