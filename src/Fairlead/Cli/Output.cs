using System.Text.Json;
using Fairlead.Fleet;
using Spectre.Console;

namespace Fairlead.Cli;

/// <summary>Data goes to standard output, everything else to standard error.</summary>
internal static class Output
{
    private static readonly JsonSerializerOptions Indented = new(FleetJson.Options) { WriteIndented = true };

    public static void Data(string text) =>
        Console.Out.Write(text.EndsWith('\n') || text.Length == 0 ? text : text + "\n");

    /// <summary>Standard output for what is no text.</summary>
    public static Stream Bytes() => Console.OpenStandardOutput();

    public static bool IsRedirected => Console.IsOutputRedirected;

    public static void Json<T>(T value) => Data(JsonSerializer.Serialize<object>(value!, Indented));

    /// <summary>Tables and colours, as far as the stream is a terminal and NO_COLOR does not forbid them.</summary>
    public static IAnsiConsole Terminal(bool error = false)
    {
        const int WidthOfFiles = 180;
        bool plain = error ? Console.IsErrorRedirected : Console.IsOutputRedirected;
        bool colourless = plain || Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 };
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = colourless ? AnsiSupport.No : AnsiSupport.Detect,
            ColorSystem = colourless ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
            Interactive = plain ? InteractionSupport.No : InteractionSupport.Detect,
            Out = new AnsiConsoleOutput(error ? Console.Error : Console.Out),
        });
        if (plain) console.Profile.Width = WidthOfFiles;
        return console;
    }

    public static void Say(string text) => Console.Error.WriteLine(text);

    /// <summary>One line that says what went wrong, and the exit code for it.</summary>
    public static int Fault(int exitCode, string message)
    {
        Say($"fairlead: {message}");
        return exitCode;
    }
}
