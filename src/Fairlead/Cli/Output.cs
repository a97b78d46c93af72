using System.Text.Json;
using Fairlead.Fleet;

namespace Fairlead.Cli;

/// <summary>Data goes to standard output, everything else to standard error.</summary>
internal static class Output
{
    private static readonly JsonSerializerOptions Indented = new(FleetJson.Options) { WriteIndented = true };

    public static void Data(string text) => Console.Out.Write(text.EndsWith('\n') || text.Length == 0 ? text : text + "\n");

    public static void Json<T>(T value) => Data(JsonSerializer.Serialize<object>(value!, Indented));

    public static void Say(string text) => Console.Error.WriteLine(text);

    /// <summary>One line that says what went wrong, and the exit code for it.</summary>
    public static int Fault(int exitCode, string message)
    {
        Say($"fairlead: {message}");
        return exitCode;
    }
}
