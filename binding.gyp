{
  "targets": [
    {
      "target_name": "zeroth",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake-js",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["<(module_root_dir)/build/Release/zeroth.node"],
          "action": ["<(module_root_dir)/node_modules/.bin/cmake-js", "build", "--directory", "<(module_root_dir)"]
        }
      ]
    }
  ]
}
