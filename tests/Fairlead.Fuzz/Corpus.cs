using System.Globalization;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;

namespace Fairlead.Fuzz;

/// <summary>
/// Inputs on disk. Every file begins with a line that says where it came from: in .hex files all lines with # in front
/// are talk, in text files the first line is.
/// </summary>
public static class Corpus
{
    public static string Folder { get; } = SourceFolder();

    /// <summary>What the changes start from.</summary>
    public static IReadOnlyList<byte[]> Seeds(IFuzzTarget target) =>
        [.. Files(Path.Combine(Folder, "corpus", target.Name)).Select(path => Read(path, target.IsText))];

    /// <summary>The inputs that broke something once.</summary>
    public static IEnumerable<string> Findings(IFuzzTarget target) =>
        Files(Path.Combine(Folder, "findings", target.Name));

    public static byte[] Read(string path, bool isText)
    {
        if (isText && !path.EndsWith(".hex", StringComparison.Ordinal))
        {
            byte[] text = File.ReadAllBytes(path);
            return text[(Array.IndexOf(text, (byte)'\n') + 1)..];
        }

        IEnumerable<string> lines = File.ReadLines(path).Where(line => !line.StartsWith('#'));
        return Convert.FromHexString(string.Concat(lines).Replace(" ", "", StringComparison.Ordinal));
    }

    /// <summary>Writes a finding with its story; gives the file's name.</summary>
    public static string Save(IFuzzTarget target, ReadOnlySpan<byte> input, string story)
    {
        string folder = Path.Combine(Folder, "findings", target.Name);
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, $"{Convert.ToHexStringLower(SHA256.HashData(input))[..12]}.hex");
        var text = new StringBuilder();
        foreach (string line in story.ReplaceLineEndings("\n").Split('\n'))
            text.Append(CultureInfo.InvariantCulture, $"# {WithoutPath(line)}\n");
        for (int at = 0; at < input.Length; at += 32)
            text.Append(Convert.ToHexStringLower(input[at..Math.Min(at + 32, input.Length)])).Append('\n');
        File.WriteAllText(path, text.ToString());
        return path;
    }

    // A stack tells where the sources lay; what lies above the repository is nobody's business.
    private static string WithoutPath(string line) => line.Replace(
        Path.GetFullPath(Path.Combine(Folder, "..", "..")) + "/", "", StringComparison.Ordinal);

    private static IEnumerable<string> Files(string folder) => Directory.Exists(folder)
        ? Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal)
        : [];

    private static string SourceFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
